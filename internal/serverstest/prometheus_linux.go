package serverstest

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// PrometheusServer is a Prometheus that stores native histograms.
type PrometheusServer struct{ *Server }

// Prometheus starts Prometheus with the text of a configuration file.
func Prometheus(t testing.TB, config string) *PrometheusServer {
	t.Helper()
	file, err := program("prometheus")
	if err != nil {
		missing(t, err)
	}
	s := newServer(t, "Prometheus")
	s.Addr = freeAddresses(t, 1)[0]
	configFile := filepath.Join(s.Dir, "prometheus.yml")
	if err := os.WriteFile(configFile, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s.args = []string{
		file, "--config.file=" + configFile, "--storage.tsdb.path=" + filepath.Join(s.Dir, "data"),
		"--web.listen-address=" + s.Addr, "--enable-feature=native-histograms",
	}
	s.probe = s.answers("/-/ready")
	s.launch()
	return &PrometheusServer{s}
}

// Sample is one element of the result of an instant query.
type Sample struct {
	Labels    map[string]string // the name is __name__
	Value     float64           // if Histogram is nil
	Histogram *Histogram
}

// Histogram is the value of a native histogram.
type Histogram struct {
	Count, Sum float64
	Buckets    []Bucket // those that are not empty, lowest first
}

// Bucket counts what lies between two bounds; which of them is included, nobody needs to know so far.
type Bucket struct{ Lower, Upper, Count float64 }

// Query evaluates an expression now, which must give a vector.
func (p *PrometheusServer) Query(t testing.TB, expression string) []Sample {
	t.Helper()
	answer, err := p.post("/api/v1/query", url.Values{"query": {expression}})
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	samples, err := parseVector([]byte(answer))
	if err != nil {
		t.Fatalf("%s: %v in %s", expression, err, answer)
	}
	return samples
}

// parseVector reads the answer to an instant query. Numbers come as strings, after their time.
func parseVector(answer []byte) ([]Sample, error) {
	var parsed struct {
		Data struct {
			Result []struct {
				Metric    map[string]string
				Value     pair[number]
				Histogram *pair[struct {
					Count, Sum number
					Buckets    [][4]number
				}]
			}
		}
	}
	if err := json.Unmarshal(answer, &parsed); err != nil {
		return nil, err
	}
	var samples []Sample
	for _, result := range parsed.Data.Result {
		sample := Sample{Labels: result.Metric, Value: float64(result.Value.second)}
		if h := result.Histogram; h != nil {
			sample.Histogram = &Histogram{Count: float64(h.second.Count), Sum: float64(h.second.Sum)}
			for _, b := range h.second.Buckets { // which bounds are included, the bounds, the count
				sample.Histogram.Buckets = append(sample.Histogram.Buckets,
					Bucket{Lower: float64(b[1]), Upper: float64(b[2]), Count: float64(b[3])})
			}
		}
		samples = append(samples, sample)
	}
	return samples, nil
}

// number is a number in JSON, bare or as a string, which may be "NaN" or "+Inf".
type number float64

// UnmarshalJSON implements json.Unmarshaler.
func (n *number) UnmarshalJSON(text []byte) error {
	unquoted := string(text)
	if text[0] == '"' {
		if err := json.Unmarshal(text, &unquoted); err != nil {
			return err
		}
	}
	value, err := strconv.ParseFloat(unquoted, 64)
	*n = number(value)
	return err
}

// pair is an array of a time and what was then.
type pair[T any] struct{ second T }

// UnmarshalJSON implements json.Unmarshaler.
func (p *pair[T]) UnmarshalJSON(text []byte) error {
	var time number
	elements := []any{&time, &p.second}
	return json.Unmarshal(text, &elements)
}
