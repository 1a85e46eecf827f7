package config

import "fmt"

// origin says where a value was given, so that an error can quote it.
type origin struct {
	file       string // "" if the value is from an option or a default
	assignment string // "targets[1].size = 65535", "--max-size 1470", "max_size = 1470 (the default)"
}

func (o origin) String() string {
	if o.file == "" {
		return o.assignment
	}
	return o.file + ": " + o.assignment
}

// mustBe is the error for a value outside what is allowed.
func (o origin) mustBe(allowed string) error {
	return fmt.Errorf("%s: must be %s", o, allowed)
}

// setting is a value with its origin. A nil *setting is a key that was not given.
type setting[T any] struct {
	value T
	from  origin
}

func byDefault[T any](key string, value T) *setting[T] {
	return &setting[T]{value, origin{assignment: fmt.Sprintf("%s = %v (the default)", key, value)}}
}

// first returns the first setting that was given, nil if none was.
func first[T any](candidates ...*setting[T]) *setting[T] {
	for _, candidate := range candidates {
		if candidate != nil {
			return candidate
		}
	}
	return nil
}

// valueOr returns the value of a setting that may not have been given.
func valueOr[T any](s *setting[T], otherwise T) T {
	if s == nil {
		return otherwise
	}
	return s.value
}
