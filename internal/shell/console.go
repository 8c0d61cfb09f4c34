package shell

import (
	"io"
	"sync"
)

// A console is standard output or error. Commands and watch events write to
// both at any time; each write comes out whole, and above the line that is
// being edited.
type console struct {
	w      io.Writer
	shared *consoleState
}

type consoleState struct {
	mu    sync.Mutex
	above func(w io.Writer, p []byte) (int, error) // set while a line is edited
}

func newConsoles(out, err io.Writer) (*console, *console) {
	shared := new(consoleState)
	return &console{w: out, shared: shared}, &console{w: err, shared: shared}
}

// setAbove has what is written handed to another function; nil ends that.
func (c *console) setAbove(write func(w io.Writer, p []byte) (int, error)) {
	c.shared.mu.Lock()
	defer c.shared.mu.Unlock()
	c.shared.above = write
}

func (c *console) Write(p []byte) (int, error) {
	c.shared.mu.Lock()
	defer c.shared.mu.Unlock()
	if c.shared.above != nil {
		return c.shared.above(c.w, p)
	}
	return c.w.Write(p)
}
