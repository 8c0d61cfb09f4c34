package sim

import (
	"errors"
	"math/rand/v2"
	"syscall"

	"quokka/internal/core/member"
	"quokka/internal/core/session"
	"quokka/internal/core/state"
	"quokka/internal/core/tree"
	"quokka/internal/core/zab"
	"quokka/internal/disk/snap"
	"quokka/internal/disk/store"
	"quokka/internal/disk/vfs"
	"quokka/internal/journal"
	"quokka/internal/proto"
	"quokka/internal/sim/check"
)

const dataDir = "/data"

// A device is a server's disk and the one writer that works on it: it takes
// what is ordered, all at once, and some time later it is done, as with one
// fsync for many records.
type device struct {
	s     *server
	mem   *vfs.Mem
	fault *vfs.Fault

	store   *store.Store
	journal *journal.Journal
	queue   []zab.Disk
	flight  []zab.Disk // being carried out
	busy    bool
	images  map[zab.SnapshotID]check.Log // histories of the snapshots held
	picture *picture                     // being saved

	slow micros     // what an fsync takes beyond the usual
	fail error      // what the next write or sync brings
	bad  bool       // it has failed in this life
	full bool       // snapshots do not fit
	late []zab.Disk // of a planted bug
}

// A picture is a snapshot on its way to the disk.
type picture struct {
	snap.Picture
	view *tree.View
}

// recovered is what a process finds when it starts.
type recovered struct {
	state             *state.State
	restart           member.Restart
	accepted, current proto.Epoch
	noData            bool
	members           member.Members
}

func newDevice(s *server) *device { return &device{s: s, mem: vfs.NewMem()} }

func (d *device) options() store.Options {
	return store.Options{
		DataDir: dataDir, Digest: true, LastProcessed: true, Tree: stateOptions().Tree, KeepEntries: d.s.w.plan.keep,
		NoAutoCreateDB: d.s.w.plan.noAutoCreate,
	}
}

// open recovers what the directory holds.
func (d *device) open() (*recovered, error) {
	d.fault = vfs.NewFault(d.s.w.opt.Plant.disk(d.mem), d.hook)
	d.queue, d.flight, d.busy, d.bad, d.picture = nil, nil, false, false, nil
	d.images = map[zab.SnapshotID]check.Log{}
	r, st, err := recoverDisk(d.fault, d.options())
	if err != nil {
		return nil, err
	}
	d.store = st
	configs := configFiles{d.fault}
	d.journal = journal.New(st, journal.Options{State: stateOptions(), Configs: configs})
	r.members, err = configs.members(d.s.w.members)
	return r, err
}

// recoverDisk does what a server does before it takes part.
func recoverDisk(fs vfs.FS, o store.Options) (*recovered, *store.Store, error) {
	st, err := store.Open(fs, o)
	if err != nil {
		return nil, nil, err
	}
	r := &recovered{}
	found, err := st.Recover(store.OnState(stateOptions(), &r.state))
	if err != nil {
		return nil, nil, errors.Join(err, st.Close())
	}
	epochs, err := st.LoadEpochs(max(found.LastZxid, 0))
	if err != nil {
		return nil, nil, errors.Join(err, st.Close())
	}
	r.accepted, r.current = epochs.Accepted, epochs.Current
	r.noData = found.LastZxid == store.NoData
	r.restart = member.Restart{
		Base: found.Base, Entries: entries(found.Entries), Applied: found.LastZxid, Floor: found.Floor,
	}
	return r, st, nil
}

func entries(list []store.Entry) []zab.Entry {
	all := make([]zab.Entry, len(list))
	for i, e := range list {
		all[i] = zab.Entry(e)
	}
	return all
}

// wipe loses the directory. The mark initialize says that an empty one is
// meant.
func (d *device) wipe(marked bool) {
	d.mem = vfs.NewMem()
	if !marked {
		return
	}
	err := d.mem.MkdirAll(dataDir)
	if err == nil {
		err = vfs.WriteFileAtomic(d.mem, dataDir+"/initialize", nil)
	}
	if err != nil {
		d.s.w.violate("disk", d.s.id, "cannot make the mark: %v", err)
	}
}

// hook makes the disk fail when it has to.
func (d *device) hook(op vfs.Op, _ string) error {
	switch op {
	case vfs.OpWrite, vfs.OpWriteAt, vfs.OpSync, vfs.OpDatasync, vfs.OpSyncDir, vfs.OpRename, vfs.OpCreate, vfs.OpTruncate:
		if d.fail != nil {
			d.bad = true
			err := d.fail
			d.fail = nil
			return err
		}
	}
	return nil
}

func (d *device) failing() bool { return d.bad || d.fail != nil }

// order takes orders.
func (d *device) order(list []zab.Disk) {
	if len(list) == 0 {
		return
	}
	g := d.s.w.ghost
	id := d.s.id
	for i := range list {
		o := &list[i]
		switch o.Kind {
		case zab.DiskAppend:
			g.OrderAppend(id, o.Entry.Zxid(), o.Entry.Raw)
			d.s.w.written(id, &o.Entry)
		case zab.DiskAcceptedEpoch:
			g.OrderEpoch(id, check.AcceptedEpoch, o.Epoch)
		case zab.DiskCurrentEpoch:
			g.OrderEpoch(id, check.CurrentEpoch, o.Epoch)
		case zab.DiskNextConfig:
			d.orderedConfig(check.NextConfig, o.Config)
		case zab.DiskConfig:
			d.orderedConfig(check.ActiveConfig, o.Config)
		case zab.DiskTruncate:
			d.s.w.tracef("%d truncates to %v", id, o.Zxid)
			g.OrderTruncate(id, o.Zxid)
		case zab.DiskInstall:
			g.OrderInstall(id, o.Zxid, d.images[o.Snapshot])
		}
	}
	d.queue = append(d.queue, d.planted(list)...)
	d.begin()
}

// begin starts on all that is queued.
func (d *device) begin() {
	if d.busy || len(d.queue) == 0 {
		return
	}
	d.busy = true
	n := len(d.queue)
	if n > 1 && d.s.w.rng.IntN(4) == 0 {
		n = 1 + d.s.w.rng.IntN(n)
	}
	d.flight, d.queue = d.queue[:n:n], d.queue[n:]
	life := d.s.life
	d.s.w.after(d.latency(), func() {
		if d.s.alive(life) {
			d.finish()
		}
	})
}

// latency is how long one fsync takes.
func (d *device) latency() micros {
	t := 100 + micros(d.s.w.rng.IntN(int(d.s.w.plan.fsync)))
	if d.s.w.rng.IntN(40) == 0 {
		t += micros(d.s.w.rng.IntN(int(50 * milli)))
	}
	return t + d.slow
}

// finish carries out what was started on, and reports it.
func (d *device) finish() {
	flight := d.flight
	d.flight, d.busy = nil, false
	var done []journal.Completion
	err := d.journal.Do(flight, func(c journal.Completion) {
		d.durable(&c)
		done = append(done, c)
	})
	for i := range done {
		d.report(done[i])
		d.s.w.diskPasses(finishing, done[i].Kind, d.s)
	}
	if err != nil {
		if !d.failing() {
			d.s.w.violate("disk", d.s.id, "the journal fails on a disk that is well: %v", err)
		}
		d.s.stop(killed, "its disk failed: "+err.Error())
		return
	}
	d.s.w.sampleImage(d)
	d.s.w.ghost.Check()
	d.begin()
}

// report tells the member of a completion.
func (d *device) report(c journal.Completion) { d.s.post(func() { d.s.completed(&c) }) }

// durable tells the ghost what is.
func (d *device) durable(c *journal.Completion) {
	g, id := d.s.w.ghost, d.s.id
	switch c.Kind {
	case zab.DiskAppend:
		g.Done(id, check.Append, c.Zxid)
	case zab.DiskAcceptedEpoch:
		g.Done(id, check.AcceptedEpoch, 0)
	case zab.DiskCurrentEpoch:
		g.Done(id, check.CurrentEpoch, 0)
	case zab.DiskNextConfig:
		g.Done(id, check.NextConfig, 0)
	case zab.DiskConfig:
		g.Done(id, check.ActiveConfig, 0)
	case zab.DiskInstall:
		g.Done(id, check.Install, 0)
	case zab.DiskTruncate:
		if c.OK {
			g.Done(id, check.Truncate, 0)
		} else {
			d.s.w.tracef("%d cannot truncate: %s", id, c.Why)
			g.Undone(id, check.Truncate)
		}
	}
}

// completed hands a completion to the member.
func (s *server) completed(c *journal.Completion) {
	var r *member.Restart
	if c.Restart != nil && c.Restart.Tree != nil && !(s.w.opt.Plant == PlantKeepMemory && c.Kind == zab.DiskTruncate) {
		r = &member.Restart{Base: c.Restart.Base, Entries: c.Restart.Entries, Applied: c.Restart.Applied, Floor: c.Restart.Floor}
		s.replace(c.Restart)
	}
	switch c.Kind {
	case zab.DiskAppend:
		s.member.Durable(c.Incarnation, c.Zxid, c.FileBytes)
	case zab.DiskAcceptedEpoch, zab.DiskCurrentEpoch:
		s.member.EpochStored(c.Kind, c.Epoch)
	case zab.DiskTruncate:
		s.member.Truncated(c.OK, c.Why, r)
	case zab.DiskInstall:
		s.member.Installed(r)
	case zab.DiskBarrier:
		s.member.Drained()
	}
}

// end is the end of the process: what it was writing may be there in part.
func (d *device) end(how ending) {
	w := d.s.w
	if how == stopped {
		d.flight = append(d.flight, d.queue...)
	} else if len(d.flight) > 0 && w.rng.IntN(2) == 0 {
		d.fault.SetHook(vfs.StopAfter(w.rng.IntN(16)))
	} else {
		d.flight = nil
	}
	if len(d.flight) > 0 && !d.bad {
		_ = d.journal.Do(d.flight, func(c journal.Completion) { d.durable(&c) }) // it may be stopped on the way
	}
	if d.picture != nil && w.rng.IntN(2) == 0 {
		d.fault.SetHook(vfs.StopAfter(w.rng.IntN(8)))
		_, _ = d.store.SaveSnapshot(d.picture.Picture, nil) // as above
	}
	if how == stopped {
		_ = d.journal.Close() // the process ends anyway
	}
	_ = d.store.Close() // gives back locks in memory
	if how == powerLost {
		d.mem = d.mem.CrashImage(w.rng, d.crashMode())
	}
	d.queue, d.flight, d.picture, d.journal, d.store = nil, nil, nil, nil, nil
}

func (d *device) crashMode() vfs.CrashMode {
	return []vfs.CrashMode{vfs.CrashLose, vfs.CrashRandom, vfs.CrashRandom, vfs.CrashKeep}[d.s.w.rng.IntN(4)]
}

// hold keeps a received snapshot until its installation is ordered.
func (d *device) hold(t *tree.Tree, s *session.Table, z proto.Zxid, log check.Log) zab.SnapshotID {
	id := d.journal.Hold(t, s, z)
	d.images[id] = log
	return id
}

func (d *device) forget(id zab.SnapshotID) {
	delete(d.images, id)
	d.journal.Forget(id)
}

// snapshot begins to save the state as it is.
func (d *device) snapshot() {
	if d.picture != nil {
		return
	}
	st := d.s.state
	view := st.Tree().View()
	d.picture = &picture{view: view, Picture: snap.Picture{
		Sessions: st.Sessions().Snapshot(), View: view, Zxid: st.LastZxid(), Fence: d.store.Fence(),
	}}
	life := d.s.life
	d.s.w.after(5*milli+micros(d.s.w.rng.IntN(int(50*milli))), func() {
		if !d.s.alive(life) {
			return
		}
		p := d.picture
		d.picture = nil
		if d.full {
			d.fault.SetHook(fullAfter(d.s.w.rng.IntN(6)))
		}
		if _, err := d.store.SaveSnapshot(p.Picture, nil); err != nil && !d.full && !d.failing() && !errors.Is(err, store.ErrSuperseded) {
			d.s.w.violate("disk", d.s.id, "a snapshot fails on a disk that is well: %v", err)
		}
		d.fault.SetHook(d.hook)
		p.view.Close()
		d.s.w.count("snapshot")
		if d.s.w.plan.purge {
			if _, err := d.store.Purge(3); err != nil && !d.failing() {
				d.s.w.violate("disk", d.s.id, "a purge fails on a disk that is well: %v", err)
			}
		}
	})
}

// fullAfter lets some calls pass and has no space from then on.
func fullAfter(n int) vfs.Hook {
	return func(op vfs.Op, _ string) error {
		switch op {
		case vfs.OpWrite, vfs.OpCreate:
			if n--; n < 0 {
				return syscall.ENOSPC
			}
		}
		return nil
	}
}

// diff tells whether the log on disk is short enough to be sent.
func (d *device) diff(from proto.Zxid) bool { return d.s.w.plan.diskDiff && d.has(from) }

// has tells whether the log holds a record and all that follows.
func (d *device) has(z proto.Zxid) bool {
	_, _, ok := d.store.HistorySize(z)
	return ok
}

// image recovers a copy of the disk as a power loss now would leave it.
func (d *device) image(rng *rand.Rand, mode vfs.CrashMode) (*recovered, error) {
	r, st, err := recoverDisk(d.mem.CrashImage(rng, mode), d.options())
	if err != nil {
		return nil, err
	}
	return r, st.Close()
}
