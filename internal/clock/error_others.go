//go:build !linux

package clock

func readError() Error { return Error{Bound: unknownError} }
