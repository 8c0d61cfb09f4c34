package sim

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"quokka/internal/core/member"
	"quokka/internal/core/quorum"
	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
	"quokka/internal/sim/check"
)

// configFiles keep a server's configurations, as package conf does in a
// server's own way.
type configFiles struct{ fs vfs.FS }

const (
	activeConfig = dataDir + "/config.active"
	nextConfig   = dataDir + "/config.next"
)

// Next implements journal.Configs. One that is not newer than the active one
// takes a proposed one back.
func (c configFiles) Next(text string) error {
	now, err := c.read(activeConfig, quorum.Membership{})
	if err != nil {
		return err
	}
	if m, err := quorum.ParseMembership(text, false); err != nil || m.Version <= now.Version {
		return errors.Join(err, c.forget())
	}
	return vfs.WriteFileAtomic(c.fs, nextConfig, []byte(text))
}

// Activate implements journal.Configs. A proposed one that is not newer says
// nothing any more.
func (c configFiles) Activate(text string) error {
	now, err := c.read(activeConfig, quorum.Membership{})
	if err != nil {
		return err
	}
	m, err := quorum.ParseMembership(text, false)
	if err != nil {
		return err
	}
	if m.Version > now.Version || now.Version == 0 {
		if err := vfs.WriteFileAtomic(c.fs, activeConfig, []byte(text)); err != nil {
			return err
		}
	}
	if next, err := c.read(nextConfig, quorum.Membership{}); err != nil || next.Version > max(m.Version, now.Version) {
		return err
	}
	return c.forget()
}

// forget removes the proposed configuration.
func (c configFiles) forget() error {
	err := c.fs.Remove(nextConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(err, c.fs.SyncDir(dataDir))
}

func (c configFiles) read(path string, missing quorum.Membership) (quorum.Membership, error) {
	f, err := c.fs.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return missing, nil
	}
	if err != nil {
		return missing, err
	}
	defer func() { _ = f.Close() }() // only read
	text, err := io.ReadAll(f)
	if err == nil {
		// The last life may not have come to that, and it is relied upon now.
		err = errors.Join(f.Sync(), c.fs.SyncDir(dataDir))
	}
	if err != nil {
		return missing, err
	}
	return quorum.ParseMembership(string(text), false)
}

// members are the configurations to start with.
func (c configFiles) members(first quorum.Membership) (member.Members, error) {
	active, err := c.read(activeConfig, first)
	if err != nil {
		return member.Members{}, err
	}
	next, err := c.read(nextConfig, active)
	if err != nil {
		return member.Members{}, err
	}
	if next.Version < active.Version {
		next = active
	}
	return member.Members{Active: active, Next: next}, nil
}

// ghostly is what the ghost knows of a configuration.
func ghostly(m quorum.Membership) check.Config {
	rule, err := m.Rule()
	if err != nil {
		return check.Config{} // nobody has a quorum then
	}
	return check.Config{Version: m.Version, Rule: rule}
}

// ordered tells the ghost of a configuration that is to be kept.
func (d *device) orderedConfig(kind check.OrderKind, text string) {
	m, err := quorum.ParseMembership(text, false)
	if err != nil {
		d.s.w.violate("R1", d.s.id, "orders a configuration that cannot be read: %v", err)
		return
	}
	d.s.w.tracef("%d: configuration %x, %d participants (kind %d)", d.s.id, m.Version, len(m.Participants()), kind)
	d.s.w.ghost.OrderConfig(d.s.id, kind, ghostly(m))
}

// reconfigure lets a client change the ensemble: a server leaves, or comes
// back in one role or the other.
func (w *world) reconfigure() {
	c := w.clients[w.rng.IntN(len(w.clients))]
	if !c.attached || c.quiet || len(c.open) > 3 {
		return
	}
	m := w.members.Servers[w.rng.IntN(len(w.members.Servers))]
	a := check.Action{Op: proto.OpReconfig, Version: -1}
	switch w.rng.IntN(3) {
	case 0:
		a.Path = fmt.Sprintf("leaving %d", m.ID)
		a.Data = fmt.Appendf(nil, "%d", m.ID)
	case 1:
		m.Role = quorum.Observer
		a.Path = fmt.Sprintf("joining server.%d=%v", m.ID, m)
	default:
		m.Role = quorum.Participant
		a.Path = fmt.Sprintf("joining server.%d=%v", m.ID, m)
	}
	w.count("reconfig")
	c.ask(a)
}
