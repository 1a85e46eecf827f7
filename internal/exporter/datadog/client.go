package datadog

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
)

const (
	path = "/api/v2/series"

	// requestTimeout is for one request, with its answer.
	requestTimeout = 30 * time.Second

	// longestAfter is how long a server may put us off.
	longestAfter = 10 * time.Minute

	readable = 64 << 10 // octets of an answer that are read, so that the connection can be used again
)

// client posts requests.
type client struct {
	http *http.Client
	url  string
	key  string
}

// answer is what a server says.
type answer struct {
	status int
	after  time.Duration // when to come again, at the earliest
	err    error         // the answer as an error, without our key
}

func newClient(base, key string, transport http.RoundTripper) client {
	return client{
		url: strings.TrimRight(base, "/") + path, key: key,
		http: &http.Client{
			Transport: transport,
			Timeout:   requestTimeout,
			// The next place would get the API key.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// post sends a body and reads the answer. An error means that there was none.
func (c *client) post(ctx context.Context, body []byte) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Content-Encoding", "deflate")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "latency-monitor")
	r.Header.Set("DD-API-KEY", c.key)
	response, err := c.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, readable))
	if err != nil && response.StatusCode/100 == 2 {
		return answer{}, fmt.Errorf("POST %s: %s: %w", c.url, response.Status, err)
	}
	return answer{
		status: response.StatusCode,
		after:  after(response.Header, time.Now()),
		err:    exporter.Answered(r, response.Status, strings.ReplaceAll(string(text), c.key, "********")),
	}, nil
}

func (c *client) close() { c.http.CloseIdleConnections() }

// refused reports whether the server would take the same from somebody else: the key is wrong.
func (a answer) refused() bool {
	return a.status == http.StatusUnauthorized || a.status == http.StatusForbidden
}

// final reports whether sending the same again will have the same answer. 408 and 425 ask to try again
// (RFC 9110 section 15.5.9, RFC 8470 section 5.2), 429 does later. A redirection is not followed, and
// may be the portal of a network that is not open yet.
func (a answer) final() bool {
	switch a.status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return a.status/100 == 4
}

// after is how long a server asks to wait: by Retry-After, in seconds or as a date (RFC 9110 section
// 10.2.3), or by Datadog's X-RateLimit-Reset, in seconds.
func after(h http.Header, now time.Time) time.Duration {
	longest := max(seconds(h.Get("Retry-After")), seconds(h.Get("X-RateLimit-Reset")))
	if date, err := http.ParseTime(h.Get("Retry-After")); err == nil {
		longest = max(longest, date.Sub(now))
	}
	return min(longest, longestAfter)
}

// seconds is 0 for what is no number of seconds.
func seconds(text string) time.Duration {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0
	}
	return time.Duration(min(n, uint64(longestAfter/time.Second))) * time.Second
}
