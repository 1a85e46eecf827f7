//go:build !linux

package reflector

func systemImplementations() []implementation { return nil }
