package config

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// The ports at which ClickHouse is encrypted.
const (
	httpsPort        = 8443
	nativeSecurePort = 9440
)

// clickHouseColumns are the columns of a point, of which the last may be left out.
var clickHouseColumns = []string{"MetricName", "Timestamp", "MetricValue", "Tags", "InsertedAt"}

// computedColumns are those that the table of create_table has beside them.
var computedColumns = []string{"Source", "Target"}

const defaultClickHouseBatch = 20_000

// clickHouseKeys are the keys of the backend clickhouse.
var clickHouseKeys = []backendKey{
	optionalKey("host", hostRule).mustBeGiven(),
	keyOf("protocol", oneOf("http", "native"), "http"),
	optionalKey("port", portRule).dependent("8443, with `native` 9440", clickHousePort),
	optionalKey("secure", boolRule).dependent("`true` at ports 8443 and 9440", clickHouseSecure),
	optionalKey("ca_file", keyFileRule),
	keyOf("insecure_skip_verify", boolRule, false),
	keyOf("username", accountRule, "default"),
	secretKey("password"),
	keyOf("table", tableRule, "metrics"),
	optionalKey("database", identifierRule).dependent("that of `table`, if it names one", clickHouseDatabase),
	listKey("columns", columnsRule, clickHouseColumns...),
	keyOf("compression", oneOf("none", "lz4", "zstd", "gzip"), "lz4"),
	keyOf("async_insert", boolRule, false),
	keyOf("create_table", boolRule, false),
	optionalKey("cluster", identifierRule),
	keyOf("ttl_days", intBetween(0, 36500, "days (0 is for ever)"), 30),
	keyOf("send_interval", sendIntervalRule, 30.0),
	bufferKey,
	optionalKey("batch", intBetween(1, 1_000_000, "points")).dependent("20000, or half of `buffer` if that is less", clickHouseBatch),
}

// The rules of its keys. Identifiers are those that a client may put between backquotes.
var (
	sendIntervalRule = numberBetween(0.1, 3600, "seconds")
	identifierRule   = rule[string]{
		kind:    "a string",
		allowed: "1 to 128 letters, digits, _ and -",
		decode:  decodeString,
		valid:   isIdentifier,
	}
	tableRule = rule[string]{
		kind:    "a string",
		allowed: "a name of 1 to 128 letters, digits, _ and -, or database.name",
		decode:  decodeString,
		valid: func(s string) bool {
			database, table, both := strings.Cut(s, ".")
			return isIdentifier(database) && (!both || isIdentifier(table))
		},
	}
	columnsRule = listRule[string]{kind: "a list of strings", maxCount: 5, distinct: true, element: identifierRule}
)

func isIdentifier(s string) bool {
	strange := func(r rune) bool {
		return r != '_' && r != '-' && (r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r))
	}
	return 1 <= len(s) && len(s) <= 128 && strings.IndexFunc(s, strange) < 0
}

func clickHousePort(b Backend, _ string) any {
	if b.Text("protocol") == "native" {
		return int64(nativeSecurePort)
	}
	return int64(httpsPort)
}

func clickHouseSecure(b Backend, _ string) any {
	return b.Int("port") == httpsPort || b.Int("port") == nativeSecurePort
}

// clickHouseDatabase has nothing where the table has no database of its own: the server knows the user's.
func clickHouseDatabase(b Backend, _ string) any {
	if database, _, both := strings.Cut(b.Text("table"), "."); both {
		return database
	}
	return nil
}

func clickHouseBatch(b Backend, _ string) any {
	return int64(min(defaultClickHouseBatch, largestBatch(b)))
}

// largestBatch leaves half of the buffer to what comes while a batch is sent.
func largestBatch(b Backend) int { return b.Int("buffer") / 2 }

// checkClickHouse holds the keys of a backend clickhouse against one another.
func (b *backend) checkClickHouse() error {
	c := b.resolved()
	switch {
	case !c.Bool("secure") && c.Has("ca_file"):
		return b.conflict("ca_file", "secure", "certificates need secure = true")
	case !c.Bool("secure") && c.Bool("insecure_skip_verify"):
		return b.conflict("insecure_skip_verify", "secure", "certificates need secure = true")
	case c.Text("compression") == "gzip" && c.Text("protocol") != "http":
		return b.conflict("compression", "protocol", `gzip needs protocol = "http"`)
	case c.Has("cluster") && !c.Bool("create_table"):
		return b.conflict("cluster", "create_table", "a cluster needs create_table = true")
	case c.Int("batch") > largestBatch(c):
		return b.conflict("batch", "buffer", fmt.Sprintf("batch must be at most half of buffer, %d points", largestBatch(c)))
	}
	if database := clickHouseDatabase(c, ""); database != nil && c.Text("database") != database {
		return b.conflict("database", "table", "name one database")
	}
	return b.checkColumns(c)
}

func (b *backend) checkColumns(c Backend) error {
	columns, all := c.Texts("columns"), len(clickHouseColumns)
	if n := len(columns); n != all && n != all-1 {
		return b.from["columns"].mustBe(fmt.Sprintf("%d names, or %d without the last", all, all-1))
	}
	if !c.Bool("create_table") {
		return nil
	}
	if len(columns) != all {
		return b.conflict("create_table", "columns", fmt.Sprintf("a table can be created with all %d columns only", all))
	}
	for _, name := range computedColumns {
		if slices.Contains(columns, name) {
			return b.conflict("create_table", "columns", "the table that is created has another column "+name)
		}
	}
	return nil
}
