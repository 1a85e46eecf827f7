//go:build !linux

package sender

func systemImplementations() []implementation { return nil }
