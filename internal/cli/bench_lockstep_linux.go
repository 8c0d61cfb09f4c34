package cli

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// lockstep drives sessions that wait for each reply before they send the next
// request: many of them in one goroutine, over an epoll instance of its own.
// A request then costs the generator two system calls and no change of
// goroutine, so that what is measured is the server and not the generator.
//
// A session's time is without gaps: a request's begins when the reply before
// it was read, so that what the generator itself takes counts too.
type lockstep struct {
	size     int // bytes of data that a getData has to return
	until    int64
	stop     *atomic.Bool
	clock    func() int64
	epoll    int
	sessions []lockstepSession
	waiting  int // sessions that wait for a reply
	tally    *tally
	errs     []error
}

// lockstepSession is a session without the goroutines of its connection.
type lockstepSession struct {
	*benchConn
	fd     int // -1: not taken over, or given up
	source benchSource
	unsent []byte // of out
	asked  int64  // by the clock: when the request that waits for its reply was sent; 0 if there is none
}

// lockstep runs a phase in which no session has more than one request in
// flight. It is false if this system has no means for that.
func (p *phase) lockstep(until int64, stop *atomic.Bool) (*tally, bool, error) {
	threads := max(min(p.threads, len(p.conns)), 1)
	// Each worker keeps one of the threads that may run; the rest is for the
	// keeper, and for who ends the run.
	rest := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(rest + threads)
	defer runtime.GOMAXPROCS(rest)
	workers := make([]*lockstep, threads)
	errs := make([]error, threads)
	var group sync.WaitGroup
	for w := range workers {
		l := &lockstep{size: p.size, until: until, stop: stop, clock: p.clock, tally: newTally()}
		for i := w; i < len(p.conns); i += threads {
			l.sessions = append(l.sessions, lockstepSession{benchConn: p.conns[i], fd: -1, source: p.sources[i]})
		}
		workers[w] = l
		group.Go(func() { errs[w] = l.run() })
	}
	group.Wait()
	all := newTally()
	for _, l := range workers {
		all.merge(l.tally)
	}
	return all, true, errors.Join(errs...)
}

// run returns when every request sent has its reply. A session that fails
// ends the phase; the others still get the replies they wait for.
func (l *lockstep) run() error {
	var err error
	if l.epoll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	defer func() { _ = syscall.Close(l.epoll) }()
	for i := range l.sessions {
		s := &l.sessions[i]
		if err := l.begin(s, i); err != nil {
			l.fail(s, err)
		}
	}
	l.drive()
	for i := range l.sessions {
		if s := &l.sessions[i]; s.fd >= 0 {
			l.errs = append(l.errs, s.attach())
		}
	}
	return errors.Join(l.errs...)
}

// begin takes a session over and sends its first request.
func (l *lockstep) begin(s *lockstepSession, i int) error {
	if err := s.detach(); err != nil {
		return err
	}
	event := syscall.EpollEvent{Events: lockstepEvents, Fd: int32(i)}
	if err := syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_ADD, s.fd, &event); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	s.ring = make([]inFlight, 1)
	l.next(s, l.clock())
	return s.send()
}

// lockstepEvents are what epoll tells of a socket, each when it changes.
const lockstepEvents = syscall.EPOLLIN | syscall.EPOLLOUT | syscall.EPOLLRDHUP | syscall.EPOLLET&(1<<32-1)

// lockstepEnds are those that need not come again.
const lockstepEnds = syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR

// drive answers replies with requests until none is awaited.
func (l *lockstep) drive() {
	events := make([]syscall.EpollEvent, 128)
	checked := l.clock()
	for l.waiting > 0 {
		n, err := rawWait(l.epoll, events, stallCheck)
		if err != nil && err != syscall.EINTR {
			l.errs = append(l.errs, fmt.Errorf("epoll: %w", err))
			return
		}
		for i := range max(n, 0) {
			s := &l.sessions[events[i].Fd] // its descriptor is open, or it would have no event
			if err := l.receive(s, events[i].Events&lockstepEnds != 0); err != nil {
				l.fail(s, err)
			}
		}
		if now := l.clock(); now-checked >= int64(stallCheck) {
			checked = now
			l.checkStalls(now)
		}
	}
}

// stallCheck is how often sessions are looked at that wait too long.
const stallCheck = 50 * time.Millisecond

func (l *lockstep) checkStalls(now int64) {
	for i := range l.sessions {
		s := &l.sessions[i]
		if s.asked > 0 && now-s.asked > int64(s.timeout) {
			s.stalled.Store(true)
			l.fail(s, fmt.Errorf("%s did not reply within %v", s.server, s.timeout))
		}
	}
}

// receive reads what has come for a session, until there is no more, and
// sends its next request if it has the reply to the one before. When the
// connection ends it reads up to the end.
func (l *lockstep) receive(s *lockstepSession, ends bool) error {
	if err := s.send(); err != nil { // what did not fit before
		return err
	}
	for more := true; more; {
		room := s.room()
		n, err := rawRead(s.fd, room)
		switch {
		case err == syscall.EAGAIN:
			return nil
		case err == syscall.EINTR:
			continue
		case err == nil && n == 0:
			err = io.EOF
		}
		if err != nil {
			return fmt.Errorf("read from %s: %w", s.server, s.readError(err))
		}
		s.inEnd += n
		more = n == len(room) || ends // otherwise the next byte is an event again
		now := l.clock()
		if err := s.takeReplies(now, l.size, l.tally); err != nil {
			return err
		}
		if s.asked > 0 && s.sent.Load() == s.done.Load() {
			l.waiting--
			l.next(s, now)
			if err := s.send(); err != nil {
				return err
			}
		}
	}
	return nil
}

// next makes a session's next request, unless its source or the phase ends.
func (l *lockstep) next(s *lockstepSession, now int64) {
	s.out, s.asked = s.out[:0], 0
	if l.stop.Load() || l.until > 0 && now >= l.until {
		return
	}
	seq := s.sent.Load()
	var f inFlight
	var more bool
	if s.out, f, more = s.source.next(s.out, seq); !more {
		return
	}
	f.at, s.asked = now, now
	s.ring[0] = f
	s.sent.Store(seq + 1)
	s.unsent = s.out
	l.waiting++
}

// send writes the request out as far as the socket takes it; an event tells
// when it takes the rest.
func (s *lockstepSession) send() error {
	for len(s.unsent) > 0 {
		n, err := rawWrite(s.fd, s.unsent)
		switch {
		case err == syscall.EAGAIN:
			return nil
		case err != nil && err != syscall.EINTR:
			return fmt.Errorf("send to %s: %w", s.server, err)
		}
		s.unsent = s.unsent[max(n, 0):]
	}
	return nil
}

// fail gives a session up and lets the others come to an end.
func (l *lockstep) fail(s *lockstepSession, err error) {
	l.errs = append(l.errs, err)
	l.stop.Store(true)
	if s.asked > 0 {
		s.asked = 0
		l.waiting--
	}
	if s.fd < 0 {
		return
	}
	_ = syscall.Close(s.fd)
	s.fd = -1
	s.detached.Store(false)
	s.write.Unlock()
}

// detach takes the socket from Go's poller, which every packet would wake
// too, and from the keeper.
func (s *lockstepSession) detach() error {
	s.write.Lock()
	raw, err := s.conn.(*net.TCPConn).SyscallConn()
	if err == nil {
		var dupErr error
		err = raw.Control(func(fd uintptr) { s.fd, dupErr = syscall.Dup(int(fd)) })
		err = errors.Join(err, dupErr)
	}
	if err != nil {
		s.write.Unlock()
		return fmt.Errorf("take the connection to %s: %w", s.server, err)
	}
	syscall.CloseOnExec(s.fd)
	s.detached.Store(true)
	_ = s.conn.Close() // the duplicate is the connection now
	return nil
}

// attach gives the socket back.
func (s *lockstepSession) attach() error {
	defer s.write.Unlock()
	f := os.NewFile(uintptr(s.fd), s.server)
	conn, err := net.FileConn(f)
	_ = f.Close() // conn has a duplicate
	if err != nil {
		return fmt.Errorf("give the connection to %s back: %w", s.server, err)
	}
	s.conn = conn
	s.lastWrite.Store(s.clock())
	s.detached.Store(false)
	return nil
}

// The calls below do not tell Go's scheduler of themselves, which saves a
// tenth of a microsecond each, and with few sessions a thread that looks
// after threads in system calls. The first two never block; while the third
// waits, it keeps one of the threads that may run.

func rawRead(fd int, b []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	return result(n, errno)
}

func rawWrite(fd int, b []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	return result(n, errno)
}

func rawWait(epoll int, events []syscall.EpollEvent, d time.Duration) (int, error) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])),
		uintptr(len(events)), uintptr(d.Milliseconds()), 0, 0)
	return result(n, errno)
}

func result(n uintptr, errno syscall.Errno) (int, error) {
	switch errno {
	case 0:
		return int(n), nil
	case syscall.EAGAIN: // as an error value without an allocation
		return 0, errAgain
	case syscall.EINTR:
		return 0, errInterrupted
	}
	return 0, errno
}

var (
	errAgain       error = syscall.EAGAIN
	errInterrupted error = syscall.EINTR
)
