//go:build unix

package clients

import (
	"net"
	"syscall"
)

// An attempt writes to a socket without waiting for it. It belongs to who
// sends on the connection.
type attempt struct {
	raw  syscall.RawConn // nil: not possible
	call func(fd uintptr) bool
	b    []byte
	n    int
}

// use takes the socket of a connection, if it has one of its own.
func (a *attempt) use(nc net.Conn) {
	tc, ok := nc.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tc.SyscallConn()
	if err != nil {
		return
	}
	a.raw = raw
	a.call = func(fd uintptr) bool { // once for all writes: it allocates nothing then
		a.n, _ = syscall.Write(int(fd), a.b)
		return true
	}
}

func (a *attempt) possible() bool { return a.raw != nil }

// write returns how many bytes the socket took. An error is met again by who
// sends the rest.
func (a *attempt) write(b []byte) int {
	a.b, a.n = b, 0
	err := a.raw.Write(a.call)
	a.b = nil
	if err != nil {
		return 0
	}
	return max(a.n, 0)
}
