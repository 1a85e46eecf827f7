package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

const (
	helpWidth  = 100
	helpIndent = 32 // the column where usage texts begin
)

// The groups of the help. General has no heading.
const (
	groupGeneral = "general"
	groupLogging = "Logging"
	groupNetwork = "Network"
	groupRuntime = "Runtime"
)

const helpHead = `Usage: latency-monitor [OPTION]...

Measures delay and loss between this host and others over UDP and TCP, and answers theirs.
Options override the configuration file. Measurements go to standard output, logs to standard
error.
`

const helpExamples = `
Examples:
  Answer the probes of other hosts (server mode, when there is no latency.toml):
    latency-monitor
  Log everything to a file:
    latency-monitor -l DEBUG -f latency.log
  Measure one-way delays only:
    latency-monitor -c latency.toml --no-tcp-latency --no-rtt
  Look for micro-bursts: one-way UDP every millisecond:
    latency-monitor -c latency.toml --no-tcp --no-rtt -i 1
`

// helpText is the answer to --help. Its options come from the set that parses them.
func helpText() string {
	var o options
	flags := o.define().flags
	var b strings.Builder
	b.WriteString(helpHead)
	for _, group := range []string{groupGeneral, groupLogging, groupNetwork, groupRuntime} {
		b.WriteByte('\n')
		if group != groupGeneral {
			b.WriteString(group + ":\n")
		}
		flags.VisitAll(func(flag *pflag.Flag) {
			if !flag.Hidden && slices.Contains(flag.Annotations[annotationGroup], group) {
				b.WriteString(helpEntry(flag))
			}
		})
	}
	b.WriteString(helpExamples)
	return b.String()
}

// helpEntry writes one option: its spellings, then its usage text in a column of its own.
func helpEntry(flag *pflag.Flag) string {
	head := "  " + spellings(flag)
	margin := strings.Repeat(" ", helpIndent)
	lines := wrap(usage(flag), helpWidth-helpIndent)
	text := strings.Join(lines, "\n"+margin)
	if len(head)+2 > helpIndent {
		return head + "\n" + margin + text + "\n"
	}
	return fmt.Sprintf("%-*s%s\n", helpIndent, head, text)
}

func spellings(flag *pflag.Flag) string {
	s := "    "
	if flag.Shorthand != "" {
		s = "-" + flag.Shorthand + ", "
	}
	s += "--" + flag.Name
	if pair := flag.Annotations[annotationPair]; len(pair) > 0 {
		s += "/--" + pair[0]
	}
	if value := flag.Annotations[annotationValue][0]; value != "" {
		s += " " + value
	}
	return s
}

func usage(flag *pflag.Flag) string {
	if flag.DefValue == "" {
		return flag.Usage
	}
	return fmt.Sprintf("%s (default: %s)", flag.Usage, flag.DefValue)
}

// wrap breaks a text between words into lines of at most width characters.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}
