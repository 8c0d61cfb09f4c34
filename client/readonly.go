package client

import (
	"context"
	"io"
	"time"
)

// betterServer ends the connection to a read-only server.
type betterServer struct{ server string }

func (e betterServer) Error() string { return "found a server with a quorum: " + e.server }

// How long to wait between two questions whether a server has a quorum
// (ClientCnxn.SendThread.pingRwServer).
const (
	minSearch = 100 * time.Millisecond
	maxSearch = time.Minute
)

// search asks one server after the other whether it has a quorum, and
// returns the first that says so.
func (s *session) search(ctx context.Context, current string) string {
	wait := minSearch
	for i := 0; ; i++ {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ""
		}
		wait = min(2*wait, maxSearch)
		if server, ok := s.ring.other(i, current); ok && s.isWritable(ctx, server) {
			return server
		}
	}
}

// isWritable sends the four-letter word isro.
func (s *session) isWritable(ctx context.Context, server string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := s.dial(ctx, server)
	if err != nil {
		return false
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if _, err := io.WriteString(conn, "isro"); err != nil {
		return false
	}
	b := make([]byte, 2)
	_, err = io.ReadFull(conn, b)
	return err == nil && string(b) == "rw"
}
