package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/latency-monitor/latency-monitor/internal/config"
)

// explain turns an error of the flag library into one line that names the option, what was typed and
// what is allowed.
func explain(err error, flags *pflag.FlagSet) error {
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	var syntax *pflag.InvalidSyntaxError
	switch {
	case errors.As(err, &unknown):
		return unknownOption(unknown, flags)
	case errors.As(err, &missing):
		return missingValue(missing.GetFlag())
	case errors.As(err, &invalid):
		flag := invalid.GetFlag()
		return fmt.Errorf("--%s %s: must be %s", flag.Name, config.ShowText(invalid.GetValue()), allowed(flag))
	case errors.As(err, &syntax):
		return fmt.Errorf("%s: not an option", config.ShowText(syntax.GetSpecifiedFlag()))
	}
	return err
}

func unknownOption(err *pflag.NotExistError, flags *pflag.FlagSet) error {
	if letters := err.GetSpecifiedShortnames(); letters != "" {
		return unknownLetter(letters, flags)
	}
	name := err.GetSpecifiedName()
	if near, ok := nearestOption(name, flags); ok {
		return fmt.Errorf("unknown option %s (did you mean --%s?)", config.ShowText("--"+name), near)
	}
	return fmt.Errorf("unknown option %s (--help lists the options)", config.ShowText("--"+name))
}

// nearestOption returns the only option that begins with name, else the one it is most likely a
// misspelling of.
func nearestOption(name string, flags *pflag.FlagSet) (string, bool) {
	names := optionNames(flags)
	var longer []string
	for _, known := range names {
		if strings.HasPrefix(known, name) {
			longer = append(longer, known)
		}
	}
	if len(longer) == 1 {
		return longer[0], true
	}
	return config.Nearest(name, names)
}

// optionNames lists the options in the order of the help.
func optionNames(flags *pflag.FlagSet) []string {
	var names []string
	flags.VisitAll(func(flag *pflag.Flag) { names = append(names, flag.Name) })
	return names
}

// unknownLetter explains a short option that does not exist. The rest of the argument, which may be
// a value, tells which option was meant only if it is spelled out after a single dash.
func unknownLetter(letters string, flags *pflag.FlagSet) error {
	letter, typed := letters[:1], config.ShowText("-"+letters)
	if letter[0] >= 0x80 {
		return fmt.Errorf("unknown option %s (--help lists the options)", typed)
	}
	if near, ok := nearestOption(letters, flags); ok && len(letters) > 1 {
		return fmt.Errorf("unknown option %s (did you mean --%s?)", typed, near)
	}
	for _, other := range []string{strings.ToLower(letter), strings.ToUpper(letter)} {
		if flag := flags.ShorthandLookup(other); flag != nil {
			return fmt.Errorf("unknown option -%s (did you mean -%s, --%s?)", letter, other, flag.Name)
		}
	}
	return fmt.Errorf("unknown option %s (--help lists the options)", typed)
}

func missingValue(flag *pflag.Flag) error {
	value := flag.Annotations[annotationValue][0]
	if allowed := config.Allowed(flag.Name); allowed != "" {
		return fmt.Errorf("--%s %s: the value is missing: must be %s", flag.Name, value, allowed)
	}
	return fmt.Errorf("--%s %s: the value is missing", flag.Name, value)
}

// allowed says what the value must be. Only pairs and requests have no rule in package config and
// can have a wrong value; they are on or off.
func allowed(flag *pflag.Flag) string {
	if allowed := config.Allowed(flag.Name); allowed != "" {
		return allowed
	}
	return "true or false"
}
