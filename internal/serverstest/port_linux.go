package serverstest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// Servers get ports from lowestPort on that are below firstEphemeral, where those begin that the kernel
// gives to outgoing connections by default (ip(7), ip_local_port_range): nothing takes them by itself
// while a server is down.
const (
	lowestPort     = 10000
	firstEphemeral = 32768
)

// freeAddresses returns that many different addresses of 127.0.0.1 at which nothing listens.
func freeAddresses(t testing.TB, count int) []string {
	t.Helper()
	var addresses []string
	for range 100 * count {
		port := lowestPort + rand.IntN(firstEphemeral-lowestPort)
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		defer func() { _ = listener.Close() }() // only now, lest the next one be the same
		if addresses = append(addresses, listener.Addr().String()); len(addresses) == count {
			return addresses
		}
	}
	t.Fatal(fmt.Errorf("no free port from %d to %d", lowestPort, firstEphemeral-1))
	return nil
}

// portOf returns the port of an address that freeAddresses returned.
func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}
