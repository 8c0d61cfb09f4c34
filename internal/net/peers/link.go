package peers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"quokka/internal/proto"
)

const (
	linkBuffer = 64 << 10 // of a link's reader and of its writer, in bytes
	writeStep  = 64 << 10 // bytes that must go out within WriteTimeout
	itemCost   = 96       // bytes that anything queued counts beside its contents
)

var (
	errClosed  = errors.New("the link was closed by this server")
	errStopped = errors.New("this server is stopping")
)

// A link is one connection between a leader and a learner. Whatever is to be
// sent waits in one queue, in order. One goroutine reads, one writes; the
// reader's reports the link's end when both are done.
type link struct {
	p        *Peers
	id       uint64
	accepted bool
	ctx      context.Context // ends when the link has failed
	cancel   context.CancelFunc
	wake     chan struct{} // there is something in the queue, or closing is set

	mu      sync.Mutex
	queue   []item
	bytes   int  // of what is queued and of what the writer has taken and not written
	up      bool // connected
	closing bool
	limit   *time.Timer // ends a closing link
	why     error       // the first failure; nil while the link works
}

// An item is a packet, or a function that writes.
type item struct {
	packet proto.QuorumPacket
	stream func(io.Writer) error
}

func (it *item) size() int { return itemCost + packetSize(&it.packet) }

// newLink enters a link. Called with Peers.mu held.
func (p *Peers) newLink(id uint64, accepted bool) *link {
	l := &link{p: p, id: id, accepted: accepted, wake: make(chan struct{}, 1)}
	l.ctx, l.cancel = context.WithCancel(p.ctx)
	p.links[id] = l
	return l
}

// push appends to the queue. It returns false if the link is about to end.
func (l *link) push(it item) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why != nil || l.closing {
		return false
	}
	l.queue = append(l.queue, it)
	l.bytes += it.size()
	if l.bytes > l.p.opt.MaxQueue {
		l.failLocked(fmt.Errorf("the peer reads too slowly: more than %d bytes wait to be sent", l.p.opt.MaxQueue))
		return true // the writer finds it and gives it up
	}
	l.kick()
	return true
}

func (l *link) kick() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// fail ends the link, unless it has failed already.
func (l *link) fail(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failLocked(why)
}

func (l *link) failLocked(why error) {
	switch {
	case l.why != nil:
		return
	case l.closing:
		why = errClosed
	case l.p.ctx.Err() != nil:
		why = errStopped
	}
	l.why = why
	l.cancel()
}

// connected says that the link is connected. It returns false if it was
// ended before.
func (l *link) connected() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up = l.why == nil
	return l.up
}

// close ends the link when the queue is empty, or a short time has passed,
// or at once if it is not connected.
func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why != nil || l.closing {
		return
	}
	if !l.up {
		l.failLocked(errClosed)
		return
	}
	l.closing = true
	l.limit = time.AfterFunc(l.p.opt.CloseTimeout, func() { l.fail(errClosed) })
	l.kick()
}

func (l *link) isClosing() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closing
}

// run serves a connected link until it ends; begin reports its beginning.
func (l *link) run(c net.Conn, r *bufio.Reader, begin func()) {
	release := context.AfterFunc(l.ctx, func() { _ = c.Close() })
	defer release()
	var writer sync.WaitGroup
	writer.Go(func() { l.write(c) })
	begin()
	l.fail(l.read(r))
	writer.Wait()
	_ = c.Close()
	l.finish()
}

// finish forgets a link that has failed, and reports it.
func (l *link) finish() {
	l.p.mu.Lock()
	delete(l.p.links, l.id)
	l.p.mu.Unlock()
	l.mu.Lock()
	why, queue := l.why, l.queue
	l.queue = nil
	if l.limit != nil {
		l.limit.Stop()
	}
	l.mu.Unlock()
	l.cancel()
	abandon(queue, why)
	l.p.sink.Down(l.id, why)
}

// read hands on packets. What still comes in on a closing link is read and
// dropped, so that the last packets we sent are not lost by a reset.
func (l *link) read(r *bufio.Reader) error {
	d := packetReader{r}
	for {
		q, err := d.next(l.p.opt.MaxPacket)
		switch {
		case err == io.EOF:
			return fmt.Errorf("the peer closed the connection: %w", err)
		case err != nil:
			return err
		case l.isClosing():
			_, err := io.Copy(io.Discard, r)
			return errors.Join(errClosed, err)
		case q.Type != proto.PacketSnap:
			l.p.sink.Packet(l.id, q)
		case l.accepted:
			return errors.New("a learner sent a SNAP packet")
		default:
			if err := l.p.sink.Snapshot(l.id, q.Zxid, r); err != nil {
				return fmt.Errorf("read the snapshot 0x%x: %w", uint64(q.Zxid), err)
			}
		}
	}
}

// write sends what is queued and flushes when the queue is empty.
func (l *link) write(c net.Conn) {
	w := bufio.NewWriterSize(&timedWriter{c, l.p.opt.WriteTimeout}, linkBuffer)
	var batch []item
	for {
		batch = l.take(batch)
		if len(batch) > 0 {
			if sent, err := l.send(w, batch); err != nil {
				l.fail(err)
				abandon(batch[sent:], err)
				return
			}
			continue
		}
		if err := w.Flush(); err != nil {
			l.fail(fmt.Errorf("write: %w", err))
			return
		}
		if l.drained() {
			l.hangUp(c)
			return
		}
		select {
		case <-l.wake:
		case <-l.ctx.Done():
			l.fail(errStopped)
			return
		}
	}
}

// take returns what is queued; its memory and that of the last batch are
// used in turn.
func (l *link) take(last []item) []item {
	clear(last)
	l.mu.Lock()
	defer l.mu.Unlock()
	batch := l.queue
	l.queue = last[:0]
	return batch
}

// drained tells whether a closing link has sent everything.
func (l *link) drained() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closing && len(l.queue) == 0
}

// send writes a batch into w and returns how many items it is done with.
func (l *link) send(w *bufio.Writer, batch []item) (int, error) {
	for i := range batch {
		it := &batch[i]
		if it.stream != nil {
			if err := it.stream(w); err != nil {
				return i + 1, fmt.Errorf("write a stream: %w", err)
			}
		} else if err := writePacket(w, &it.packet); err != nil {
			return i, fmt.Errorf("write %v: %w", it.packet.Type, err)
		}
		l.mu.Lock()
		l.bytes -= it.size()
		l.mu.Unlock()
	}
	return len(batch), nil
}

// hangUp ends our half of the connection: the peer reads all we sent and
// closes its half, or the link's limit passes.
func (l *link) hangUp(c net.Conn) {
	h, ok := c.(interface{ CloseWrite() error })
	if !ok || h.CloseWrite() != nil {
		l.fail(errClosed)
	}
}

// abandon gives up what cannot be sent. Streams are called all the same,
// with a writer that fails, so that they let go of what they hold.
func abandon(items []item, why error) {
	for _, it := range items {
		if it.stream != nil {
			_ = it.stream(deadWriter{why})
		}
	}
}

type deadWriter struct{ why error }

func (d deadWriter) Write([]byte) (int, error) { return 0, d.why }

// A timedWriter fails when a piece of what is written does not go out in
// time. A peer may be slow, but not stand still.
type timedWriter struct {
	c       net.Conn
	timeout time.Duration
}

func (t *timedWriter) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		if err = t.c.SetWriteDeadline(time.Now().Add(t.timeout)); err != nil {
			break
		}
		var m int
		m, err = t.c.Write(b[n:min(len(b), n+writeStep)])
		n += m
	}
	return n, err
}
