//go:build !unix

package clients

import "net"

// An attempt is not possible here: the connection's writer sends everything.
type attempt struct{}

func (a *attempt) use(net.Conn) {}

func (a *attempt) possible() bool { return false }

func (a *attempt) write([]byte) int { return 0 }
