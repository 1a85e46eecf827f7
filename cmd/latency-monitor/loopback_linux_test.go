package main_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

const loopback = "127.0.0.1"

// freePorts finds a TCP and a UDP port that are free on the loopback address. They are below those
// that the system gives out, so nobody gets them meanwhile who does not ask for them.
func freePorts(t *testing.T) (tcp, udp int) {
	t.Helper()
	for range 100 {
		port := 10_000 + rand.N(20_000)
		if portIsFree(port) && portIsFree(port+1) {
			return port, port + 1
		}
	}
	t.Fatal("no free ports")
	return 0, 0
}

func portIsFree(port int) bool {
	address := fmt.Sprintf("%s:%d", loopback, port)
	l, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	defer l.Close()
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		return false
	}
	defer conn.Close()
	return true
}

// onLoopback configures a daemon that can be reached on the loopback address only, at free ports.
func onLoopback(t *testing.T) (config string, tcp, udp int) {
	t.Helper()
	tcp, udp = freePorts(t)
	return fmt.Sprintf("address = %q\ntcp_port = %d\nudp_port = %d\n", loopback, tcp, udp), tcp, udp
}

// listenUDP opens a UDP socket on the loopback address, a peer that does what the test makes it do.
func listenUDP(t *testing.T) (conn *net.UDPConn, port int) {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(loopback)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn, conn.LocalAddr().(*net.UDPAddr).Port
}
