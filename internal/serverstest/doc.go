// Package serverstest starts real metric servers for tests: ClickHouse, old and modern, Prometheus,
// its Pushgateway, VictoriaMetrics, and subscribers of libzmq.
//
//	clickhouse := serverstest.ClickHouseModern(t)
//	clickhouse.Query(t, "CREATE TABLE ...")
//	... write to clickhouse.Addr ...
//	clickhouse.Kill()
//	... what is written now must wait ...
//	clickhouse.Restart()
//	rows := clickhouse.Query(t, "SELECT ...")
//
// A server listens on ports of its own of 127.0.0.1 and has a new data folder. It answers when the
// function that starts it returns; Kill, Stop and Pause make it leave off, Restart and Resume make it
// answer again, at the same address, with the same data. It ends with the test, or with the
// test process if that panics. What it printed is logged by a test that fails.
//
// scripts/install-test-servers.sh installs the servers; `make test-servers` does so and then runs the
// tests of the packages that import this one. A test whose server is not there is skipped with that
// server named. LM_TEST_SERVERS names the folder, by its absolute path, of those that do not come as a
// system's package, if it is not latency-monitor/servers in the user's cache folder. LM_TIMEOUT_FACTOR scales how long a
// server may take to start and to end.
//
// What to expect of each, on 2 cores (November 2026):
//
//	                  start  Restart  memory  Stop    after Kill
//	ClickHouseModern  0.3 s  0.3 s    235 MB  0.02 s  has every row that it acknowledged
//	ClickHouseOld     0.1 s  0.1 s     72 MB  1 s     has every row that it acknowledged
//	Prometheus        0.1 s  0.05 s    43 MB  0.01 s  has every scrape that it finished
//	Pushgateway       0.02 s 0.02 s    12 MB  0.01 s  lacks the last 50 ms
//	VictoriaMetrics   0.1 s  0.1 s     21 MB  0.02 s  lacks the last 4 s, but for what Flush saved
//	ZMQSubscriber     0.1 s  0.1 s     17 MB  0.01 s  has what it wrote down
//
// Right after its installation, when ClickHouseModern is not in memory yet, it takes some seconds once;
// so it does beside other work on the disk.
//
// Pitfalls:
//
//   - ClickHouseModern is the engine of ClickHouse 26.7 as a library, with its HTTP interface rebuilt
//     around it (testdata/clickhouse-http.js): there is no native TCP protocol, no TLS, requests run
//     one after another, and compression is that of HTTP (gzip, deflate, br) only.
//   - ClickHouseOld is a complete server, 18.16: both protocols and its own check of users, but no
//     Map, DateTime64, TTL or LowCardinality as today. The HTTP mode of clickhouse-go needs a younger
//     one.
//   - Prometheus looks at its list of targets for the first time 5 s after each start, so no scrape comes
//     before that, whatever the scrape interval. An instant query finds samples of the last 5 minutes.
//     A histogram that has both forms shows the native one only.
//   - VictoriaMetrics finds what it received after a flush only, at the latest 2 s later; Export
//     flushes. It checks no API key and keeps no metric types.
//   - A publisher learns of a subscription some time after the subscriber connected. Publish until the
//     first message is there before counting.
//   - Ports are below those that the kernel gives to outgoing connections: one that redials while a
//     server is down could otherwise be given the server's own port, and connect to itself.
//
// The package is empty on other systems than Linux; its users' test files have the suffix
// _linux_test.go.
package serverstest
