package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
)

// Codes of errors, from ClickHouse's src/Common/ErrorCodes.cpp.
const (
	unknownColumn   = 16
	unknownTable    = 60
	unknownDatabase = 81
	unknownUser     = 192 // the names of codes 192 to 194 are not told to strangers: they get 516
	wrongPassword   = 193
	noPassword      = 194
	accessDenied    = 497
	wrongLogin      = 516
)

// advice is what to do about an error of a code: of those by which a server refuses what it is asked for, and not
// because it has too much to do.
var advice = map[int32]string{
	unknownColumn:   "look at columns",
	unknownTable:    "create it, or set create_table = true",
	unknownDatabase: "create it, or name another one in database",
	unknownUser:     "look at username and password",
	wrongPassword:   "look at username and password",
	noPassword:      "look at username and password",
	wrongLogin:      "look at username and password",
	accessDenied:    "GRANT it to the user",
}

// rowCodes are those of errors that are the fault of single rows. All others are of the table, the user
// or the server, and may pass.
var rowCodes = []int32{
	6,   // CANNOT_PARSE_TEXT
	38,  // CANNOT_PARSE_DATE
	41,  // CANNOT_PARSE_DATETIME
	69,  // ARGUMENT_OUT_OF_BOUND
	70,  // CANNOT_CONVERT_TYPE
	72,  // CANNOT_PARSE_NUMBER: a negative one in a column without a sign
	117, // INCORRECT_DATA
	131, // TOO_LARGE_STRING_SIZE
	321, // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
	349, // CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
	395, // FUNCTION_THROW_IF_VALUE_IS_NON_ZERO: as a materialized view may use it
	407, // DECIMAL_OVERFLOW
	469, // VIOLATED_CONSTRAINT
	691, // UNKNOWN_ELEMENT_OF_ENUM
}

// The errors that are not the server's.
type (
	// rowError is the fault of single rows.
	rowError struct{ error }
	// tableError says why the table can't be used as it is.
	tableError struct{ error }
)

// createError is for a table that can't be created.
type createError struct{ error }

// Unwrap returns the error itself.
func (e createError) Unwrap() error { return e.error }

var errTimeout = fmt.Errorf("no answer within %v", requestTimeout)

// explain makes an error a rowError, or an UnavailableError whose Reason is the same as long as the same
// is the matter.
func explain(ctx context.Context, err error) error {
	if row, ok := errors.AsType[rowError](err); ok {
		return row
	}
	if table, ok := errors.AsType[tableError](err); ok {
		return refused(table.Error(), exporter.Said(table.Error()))
	}
	if request, ok := errors.AsType[*url.Error](err); ok {
		err = request.Err // without the client's address of many parameters
	}
	_, creating := errors.AsType[createError](err)
	exception, ok := errors.AsType[*clickhouse.Exception](err)
	switch {
	case !ok && errors.Is(context.Cause(ctx), errTimeout):
		return unavailable("timeout", errTimeout.Error())
	case !ok:
		return explainOthers(err)
	case creating:
		return refused(fmt.Sprint("create table, code ", exception.Code), "create table: "+text(exception))
	case slices.Contains(rowCodes, exception.Code):
		return rowError{errors.New(text(exception))}
	}
	reason, message := fmt.Sprint("code ", exception.Code), text(exception)
	if advice[exception.Code] != "" {
		return refused(reason, message)
	}
	return unavailable(reason, message) // it has too much to do, or not enough memory
}

func unavailable(reason, message string) error {
	return &exporter.UnavailableError{Err: errors.New(message), Reason: reason}
}

func refused(reason, message string) error {
	return &exporter.UnavailableError{Err: errors.New(message), Reason: reason, Refused: true}
}

// explainOthers explains what is not of ClickHouse: a proxy's answers, or those of a server of something
// else at its port, and the network's errors.
func explainOthers(err error) error {
	answer, ok := errors.AsType[*clickhouse.HTTPError](err)
	if !ok {
		return unavailable("connection", exporter.Said(err.Error()))
	}
	reason := fmt.Sprint("HTTP status ", answer.StatusCode)
	message := reason + ": " + exporter.Said(body(answer))
	switch code := answer.StatusCode; {
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests, code/100 != 4:
		return unavailable(reason, message)
	}
	return refused(reason, message+"; look at host and port, or at a proxy on the way")
}

// body is that of an answer, which the client quotes.
func body(answer *clickhouse.HTTPError) string {
	text := answer.Err.Error()
	quoted, _ := strings.CutPrefix(text, "response body: ")
	if body, err := strconv.Unquote(quoted); err == nil {
		return body
	}
	return text
}

// text is what the server says, and what to do about it. Servers of before 2020 send their stack along.
func text(e *clickhouse.Exception) string {
	message, _, _ := strings.Cut(e.Message, "Stack trace:")
	said := fmt.Sprintf("ClickHouse says: %s (code %d)", exporter.Said(message), e.Code)
	if what := advice[e.Code]; what != "" {
		said += "; " + what
	}
	return said
}
