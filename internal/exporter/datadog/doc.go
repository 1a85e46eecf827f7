// Package datadog is the backend that sends to Datadog, by its API "Submit metrics", version 2:
// https://docs.datadoghq.com/api/latest/metrics/#submit-metrics (read in November 2026).
//
// Datadog keeps one value per second of a series, whichever came last. So points are summed up: per
// second and series the mean under the metric's own name, the exact .min, .max and .count, and the 99th
// percentile .p99, which is at most 0.8 % off. Lost probes become their number.
//
// # Seconds
//
// Points of a second may come after it was sent: a loss is told a timeout later, a queue holds others
// back, and the second that a Flush falls into is not over. A second that was sent is therefore kept:
// points that come later join it, and it is sent again as a whole, which replaces what Datadog has. That
// also makes it harmless to send again what may have arrived. Only when the newest second of its series is
// Window further, or nothing came for one to two Windows, is it forgotten, and closed: points of a closed
// second are refused and count as failed, because sent alone they would replace the second by
// themselves.
//
// A clock that is set back by more than a Window makes points of closed seconds; those are opened again
// after one to two Windows in which the series had no others.
//
// # Memory
//
// A second of a series takes 120 octets and 4 for each bucket of its sketch, of which there are as many as
// values that differ by more than 1.6 %: 1 to 2 KiB at 1000 probes a second. When all seconds together
// take more than maxOctets, what is unsent is sent at once and older seconds are closed before their time.
package datadog
