package cli

import (
	"net"
	"syscall"

	"quokka/internal/server"
)

var errAddrInUse error = syscall.EADDRINUSE

// portOf returns the port a server serves clients on.
func portOf(s *server.Server) string {
	_, port, err := net.SplitHostPort(s.Addr().String())
	if err != nil {
		return s.Addr().String()
	}
	return port
}
