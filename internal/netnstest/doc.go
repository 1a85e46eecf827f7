// Package netnstest is a test lab on one Linux machine: hosts that are network namespaces, links
// that are veth pairs, and impairments: links that go down, packets that are dropped or re-marked.
//
// It needs root, iproute2 and, for what happens to packets, iptables. A test that asks for a lab
// where one of them is missing is skipped with that thing named. Everything a lab makes goes away
// when the test ends, with the processes that still run in it. What a killed test process left
// behind is removed by the next one.
//
//	lab := netnstest.New(t)
//	a, b := lab.Host("a"), lab.Host("b")
//	link := lab.Link(a, b)
//	err := a.Do(func() error {
//		conn, err := net.Dial("udp", netip.AddrPortFrom(link.B.IPv4, 8001).String())
//		...
//	})
//
// The package is empty on other systems; its users' test files have the suffix _linux_test.go.
package netnstest
