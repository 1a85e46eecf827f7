package main

import (
	"strconv"

	"github.com/spf13/pflag"
)

// option describes one option, or a pair --x/--no-x.
type option struct {
	long      string
	short     string // one letter, or "" for none
	value     string // what stands for the value in the help; "" takes none
	usage     string
	byDefault string // as the help shows it; "" is not shown
}

// The annotations of a pflag.Flag that the help reads.
const (
	annotationGroup = "group"
	annotationValue = "value"
	annotationPair  = "pair" // the name of the negative half
)

// optionSet declares options in a pflag set. Options belong to the group that is set at the time.
type optionSet struct {
	flags *pflag.FlagSet
	group string
}

func newOptionSet() *optionSet {
	flags := pflag.NewFlagSet("latency-monitor", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() {}
	return &optionSet{flags: flags}
}

// text, integer and number leave *to nil unless the option is given.
func (s *optionSet) text(to **string, o option) {
	s.declare(o, func(typed string) error { return store(to, typed, nil) })
}

func (s *optionSet) integer(to **int, o option) {
	s.declare(o, func(typed string) error {
		value, err := strconv.Atoi(typed)
		return store(to, value, err)
	})
}

func (s *optionSet) number(to **float64, o option) {
	s.declare(o, func(typed string) error {
		value, err := strconv.ParseFloat(typed, 64)
		return store(to, value, err)
	})
}

// pair declares --x and --no-x. The last one given wins; *to stays nil if neither is.
func (s *optionSet) pair(to **bool, o option) {
	positive := s.declare(o, func(typed string) error {
		value, err := strconv.ParseBool(typed)
		return store(to, value, err)
	})
	positive.NoOptDefVal = "true"

	no := option{long: "no-" + o.long}
	negative := s.declare(no, func(typed string) error {
		value, err := strconv.ParseBool(typed)
		return store(to, !value, err)
	})
	negative.NoOptDefVal = "true"
	negative.Hidden = true
	positive.Annotations[annotationPair] = []string{no.long}
}

// request declares an option without value that asks for something else than measuring.
func (s *optionSet) request(to *bool, o option) {
	s.flags.BoolVarP(to, o.long, o.short, false, o.usage)
	s.annotate(s.flags.Lookup(o.long), o)
}

func (s *optionSet) declare(o option, set func(string) error) *pflag.Flag {
	flag := s.flags.VarPF(setter(set), o.long, o.short, o.usage)
	s.annotate(flag, o)
	return flag
}

func (s *optionSet) annotate(flag *pflag.Flag, o option) {
	flag.DefValue = o.byDefault
	flag.Annotations = map[string][]string{
		annotationGroup: {s.group},
		annotationValue: {o.value},
	}
}

func store[T any](to **T, value T, err error) error {
	if err == nil {
		*to = &value
	}
	return err
}

// setter is a pflag.Value that hands on what was typed.
type setter func(typed string) error

func (s setter) Set(typed string) error { return s(typed) }

func (s setter) String() string { return "" }

func (s setter) Type() string { return "option" }

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
