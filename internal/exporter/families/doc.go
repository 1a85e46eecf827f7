// Package families turns points into metrics as Prometheus knows them. The backends prometheus and
// pushgateway share it.
//
// Words, smallest to largest:
//
//   - label: a name and a value. The tags of a point become its labels, see [Check].
//   - label set: the labels of a point, and whether it is of UDP, of TCP or of the host.
//   - series: what came of one metric with one label set: a histogram of delays, a counter of losses.
//   - family: all series of one metric, under one name.
//
// All series of a family need not have the same label names, since targets need not have the same tags.
//
// Delays are in seconds. One below 0, which proves that a clock is off, is observed as it is: it falls
// into the first classic bucket and into a negative native one, and is counted in a counter of its own.
// It also makes the sum of its histogram fall.
//
// A counter of losses is there, with 0, as soon as its label set is, so that the first loss is an
// increase; and it stays for as long as anything else of its label set comes.
package families
