package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
)

// Codes of errors, from ClickHouse's src/Common/ErrorCodes.cpp.
const (
	unknownTable    = 60
	unknownDatabase = 81
)

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
		return unavailable(table.Error(), table.Error())
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
		return unavailable(reasonOf(err), err.Error())
	case creating:
		return unavailable(fmt.Sprint("create table, code ", exception.Code), "create table: "+text(exception))
	case slices.Contains(rowCodes, exception.Code):
		return rowError{errors.New(text(exception))}
	}
	message := text(exception)
	if exception.Code == unknownTable {
		message += "; create it, or set create_table = true"
	}
	return unavailable(fmt.Sprint("code ", exception.Code), message)
}

func unavailable(reason, message string) error {
	return &exporter.UnavailableError{Err: errors.New(oneLine(message)), Reason: reason}
}

// reasonOf tells apart a proxy's answers and the network's errors.
func reasonOf(err error) string {
	if answer, ok := errors.AsType[*clickhouse.HTTPError](err); ok {
		return fmt.Sprint("HTTP status ", answer.StatusCode)
	}
	return "connection"
}

// text is what the server says. Servers of before 2020 send their stack along.
func text(e *clickhouse.Exception) string {
	message, _, _ := strings.Cut(e.Message, "Stack trace:")
	return fmt.Sprintf("ClickHouse says: %s (code %d)", oneLine(message), e.Code)
}

// oneLine makes a text one line of moderate length. A proxy may send a whole page.
func oneLine(s string) string {
	const enough = 500
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s))
	if characters := []rune(s); len(characters) > enough {
		return string(characters[:enough]) + "…"
	}
	return s
}
