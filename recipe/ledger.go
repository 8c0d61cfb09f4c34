package recipe

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"quokka/client"
)

// A ledger makes changes of which it knows afterwards whether they were made,
// even if the answer was lost with the connection. Each of its pages is an
// ephemeral node of this session, and each change is one multi with a set of
// the page: the page says what was done.
//
// To ask, a page is not only read. It is set with the version which the change
// needs too: either the change has been made, or it never will be, however
// late its bytes arrive.
type ledger struct {
	c   *client.Client
	dir string // must exist when commit is called
	acl []client.ACL
	// pages are those that no commit uses now.
	pages chan *page
}

type page struct {
	path    string // "" before there is a node
	version int32
	n       int64 // of the last change
	unsure  bool  // whether version is right
}

func newLedger(c *client.Client, dir string, pages int, acl []client.ACL) *ledger {
	l := &ledger{c: c, dir: dir, acl: acl, pages: make(chan *page, pages)}
	for range pages {
		l.pages <- &page{}
	}
	return l
}

// maxRenewals bounds how often a page that others delete is made again for one
// change, and how often a change is begun again after lost answers.
const maxRenewals = 100

// commit makes the changes that build adds to a multi. When it returns nil,
// they are made, once. When it returns an error that is not
// [client.Ambiguous], they are not and never will be. build is called again
// for each attempt.
func (l *ledger) commit(ctx context.Context, build func(m *client.Multi)) error {
	var p *page
	select {
	case p = <-l.pages:
		defer func() { l.pages <- p }()
	case <-ctx.Done():
		return ctx.Err()
	}
	var err error
	for range maxRenewals {
		if err = l.open(ctx, p); err != nil {
			return err
		}
		m := l.c.Multi()
		build(m)
		own := m.Len()
		p.n++
		m.Set(p.path, p.note("done"), p.version)
		var lost error
		err = persist(ctx, l.c, func() error {
			_, err := m.Commit(ctx)
			if client.Ambiguous(err) {
				lost, err = err, nil
			}
			return err
		})
		if err == nil && lost == nil {
			p.version++
			return nil
		}
		if lost != nil {
			done, err := l.settle(ctx, p, lost)
			if done || err != nil {
				return err
			}
			continue
		}
		if e, ok := errors.AsType[*client.MultiError](err); ok && e.Index == own {
			p.unsure = true // somebody has changed or deleted it: nothing was done
			continue
		}
		return err
	}
	return fmt.Errorf("gave up after %d attempts, somebody deletes the nodes in %s: %w", maxRenewals, l.dir, err)
}

// open sees to it that a page has a node, whose version is known.
func (l *ledger) open(ctx context.Context, p *page) error {
	if p.path != "" && p.unsure {
		stat, err := again(ctx, l.c, func() (client.Stat, error) {
			return l.c.Set(ctx, p.path, p.note("void"), client.AnyVersion)
		})
		switch {
		case err == nil:
			p.version, p.unsure = stat.Version, false
		case errors.Is(err, client.ErrNoNode):
			p.path = ""
		default:
			return err
		}
	}
	if p.path != "" {
		return nil
	}
	at := place{c: l.c, dir: l.dir, acl: l.acl}
	path := at.path(pagePrefix + unique())
	err := persist(ctx, l.c, func() error {
		_, err := l.c.Create(ctx, path, p.note("new"), at.options(client.Ephemeral)...)
		if errors.Is(err, client.ErrNodeExists) {
			err = nil // nobody else knows the name: the answer was lost
		}
		return err
	})
	switch {
	case err == nil:
		p.path, p.version, p.unsure = path, 0, false
	case client.Ambiguous(err):
		p.path, p.unsure = path, true
	}
	return err
}

const pagePrefix = "receipt-"

// settle finds out whether the last change of a page was made, whose answer
// was lost. If it returns an error, that cannot be told any more.
func (l *ledger) settle(ctx context.Context, p *page, lost error) (done bool, err error) {
	if ctx.Err() != nil {
		p.unsure = true
		return false, lost
	}
	var d client.Data
	voided := false
	err = persist(ctx, l.c, func() error {
		_, err := l.c.Set(ctx, p.path, p.note("void"), p.version)
		if voided = err == nil; errors.Is(err, client.ErrBadVersion) {
			d.Data, d.Stat, err = l.c.Get(ctx, p.path)
		}
		return err
	})
	switch {
	case err == nil && voided:
		p.version++
		return false, nil
	case err == nil:
		return l.judge(p, string(d.Data), d.Stat.Version, lost)
	case errors.Is(err, client.ErrNoNode):
		p.path = ""
		return false, unknown(lost, errors.New("somebody has deleted its receipt in "+l.dir))
	}
	p.unsure = true
	return false, unknown(lost, err)
}

// judge reads a page that has another version than before the change.
func (l *ledger) judge(p *page, text string, version int32, lost error) (done bool, err error) {
	p.version = version
	switch text {
	case string(p.note("done")):
		return true, nil
	case string(p.note("void")):
		return false, nil
	}
	p.unsure = true
	return false, unknown(lost, errors.New("somebody has changed the receipt "+p.path))
}

// unknown is the error of a change of which nobody can tell whether it was
// made. It is ambiguous, because lost comes first.
func unknown(lost, why error) error {
	return fmt.Errorf("whether it was done cannot be told any more: %w", errors.Join(lost, why))
}

func (p *page) note(word string) []byte {
	return strconv.AppendInt([]byte(word+" "), p.n, 10)
}

// close deletes the pages. It waits for commits under way; there must be none
// afterwards.
func (l *ledger) close(ctx context.Context) error {
	var failed error
	for range cap(l.pages) {
		select {
		case p := <-l.pages:
			if p.path == "" {
				continue
			}
			at := place{c: l.c, dir: l.dir}
			if err := at.remove(ctx, at.name(p.path)); err != nil && !sessionOver(err) {
				failed = err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return failed
}

// again is persist for a step with a result.
func again[T any](ctx context.Context, c *client.Client, step func() (T, error)) (v T, err error) {
	err = persist(ctx, c, func() error {
		v, err = step()
		return err
	})
	return v, err
}

// unique returns a name that nobody else uses.
func unique() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
