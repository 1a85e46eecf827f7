// Package clickhouse is the backend that inserts a row per point into a table of ClickHouse, over HTTP
// or the native protocol, with clickhouse-go.
//
// Words, smallest to largest:
//
//   - column: one of the five that a point has in the table: name, time, value, tags, and when it was
//     inserted. The table may have others, which get their defaults.
//   - target: the table as the server describes it. Its types decide how points are written.
//   - span: consecutive points that go into the table by one INSERT, all or none.
//   - job: the points of one Publish, and which spans of them are still to be inserted.
//
// What happens to a point that the server does not take depends on whose fault it is. Rows that can't
// be in this table, as a negative delay in a column without a sign, are looked for by halving the span,
// and given up: the others arrive. Everything else that goes wrong, a server that is away, a password
// that is wrong, a table that is not there, may be set right by somebody: the points are kept and tried
// again.
//
// A span that is tried again is the same to the octet, InsertedAt included. So a table that drops blocks
// that it already has (all Replicated ones, and those that this package creates) has each point once,
// also when the answer to an INSERT was lost. Others may then have some twice.
package clickhouse
