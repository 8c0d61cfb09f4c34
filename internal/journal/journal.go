package journal

import (
	"errors"
	"fmt"
	"sync"

	"quokka/internal/core/session"
	"quokka/internal/core/state"
	"quokka/internal/core/tree"
	"quokka/internal/core/zab"
	"quokka/internal/disk/snap"
	"quokka/internal/disk/store"
	"quokka/internal/disk/txnlog"
	"quokka/internal/proto"
)

// Configs keeps the dynamic configuration files. Both calls are durable when
// they return nil.
type Configs interface {
	// Next keeps a configuration that is proposed (zoo.cfg.dynamic.next).
	Next(text string) error
	// Activate makes a configuration the one of the server and forgets the
	// proposed one (QuorumPeerConfig.writeDynamicConfig).
	Activate(text string) error
}

// An Observer is told of each batch of records, by the goroutine that calls
// [Journal.Do]. It has the clock; the journal has none.
type Observer interface {
	// Begin: the orders [first, first+n) of this call are written next. They
	// are records and rolls.
	Begin(first, n int)
	// Syncing: they are written, and the sync begins. It is not called if
	// there is no record among them.
	Syncing()
	// Synced: they are durable. fileBytes is the size of the log file without
	// padding.
	Synced(fileBytes int64)
}

// Options are fixed at start.
type Options struct {
	State state.Options // to replay the log with, after a truncation

	MaxBatch   int      // orders that one sync covers at most (zookeeper.maxBatchSize); 0: no limit
	MaxLogFile int64    // bytes at which a log file is ended without a snapshot (txnLogSizeLimitInKb); 0: never
	Configs    Configs  // nil: configurations are not kept
	Observer   Observer // nil: nobody
}

// A Restart is what disk and state hold after the state was read anew: after a
// truncation with Reload, or an installed snapshot.
type Restart struct {
	// Tree and Sessions are as of Applied. They belong to the receiver.
	Tree     *tree.Tree
	Sessions *session.Table

	Base    proto.Zxid  // what the first of Entries follows; the last zxid if there are none
	Entries []zab.Entry // the newest of the log
	Applied proto.Zxid
	Floor   proto.Zxid // the log has every record above it
	Fence   uint64     // for snap.Picture.Fence, in all pictures of this state
}

// Recovered returns what the recovery at the start has found, in a form for
// zab.History.Restart. Of an empty server, Applied is store.NoData.
func Recovered(r *store.Recovered) *Restart {
	entries := make([]zab.Entry, len(r.Entries))
	for i, e := range r.Entries {
		entries[i] = zab.Entry(e)
	}
	return &Restart{
		Tree: r.Tree, Sessions: r.Sessions, Base: r.Base, Entries: entries, Applied: r.LastZxid, Floor: r.Floor,
	}
}

// A Completion tells that an order is done, and durable.
type Completion struct {
	Kind        zab.DiskKind
	Incarnation uint64
	Zxid        proto.Zxid  // append: of the last record; truncate and install: the order's
	FileBytes   int64       // append: of the log files since the last roll that was ordered
	Epoch       proto.Epoch // of the order
	OK          bool        // false: a truncation that is not possible; nothing was changed
	Why         string      // it is not
	Restart     *Restart    // truncate with Reload, if OK, and install; otherwise nil
}

// A Journal is the writing side of a data directory. [Journal.Hold] and
// [Journal.Forget] may be called by any goroutine, the rest by one.
type Journal struct {
	store *store.Store
	opt   Options
	log   *txnlog.Writer
	buf   []byte // one encoded transaction
	err   error  // the first error

	closed int64 // bytes of the log files ended by their size since the last roll that was ordered

	mu     sync.Mutex
	held   map[zab.SnapshotID]held
	lastID zab.SnapshotID
}

// held is a received snapshot in memory.
type held struct {
	tree     *tree.Tree
	sessions *session.Table
	zxid     proto.Zxid
}

// New returns a journal on a store that has recovered. Nothing else may write to
// the log meanwhile.
func New(s *store.Store, o Options) *Journal {
	return &Journal{store: s, opt: o, log: s.TxnLog(), held: map[zab.SnapshotID]held{}}
}

// ErrClosed is the error of a journal that was closed.
var ErrClosed = errors.New("the journal is closed")

// Do carries out orders, one after the other, and calls done for each that is
// finished; for records once for many. An error is final: it is returned again
// by every later call, nothing more is carried out or reported, and the server
// must stop.
func (j *Journal) Do(orders []zab.Disk, done func(Completion)) error {
	for first := 0; first < len(orders) && j.err == nil; {
		n := j.batch(orders[first:])
		if n > 0 {
			j.err = j.write(orders, first, n, done)
			first += n
			continue
		}
		j.err = j.single(&orders[first], done)
		first++
	}
	return j.err
}

// batch is how many orders one sync covers.
func (j *Journal) batch(orders []zab.Disk) int {
	n := 0
	for n < len(orders) && (orders[n].Kind == zab.DiskAppend || orders[n].Kind == zab.DiskRoll) {
		if n++; n == j.opt.MaxBatch {
			break
		}
	}
	return n
}

// write appends a batch, makes it durable with one sync, and reports that.
func (j *Journal) write(orders []zab.Disk, first, n int, done func(Completion)) error {
	if j.opt.Observer != nil {
		j.opt.Observer.Begin(first, n)
	}
	var last *zab.Disk
	for i := range orders[first : first+n] {
		o := &orders[first+i]
		if o.Kind == zab.DiskRoll {
			if err := j.log.Roll(); err != nil {
				return wrap("write the transaction log", err)
			}
			j.closed = 0
			continue
		}
		if err := j.append(o.Entry); err != nil {
			return wrap("write the transaction log", err)
		}
		last = o
	}
	if last == nil {
		return nil
	}
	if j.opt.Observer != nil {
		j.opt.Observer.Syncing()
	}
	if err := j.log.Sync(); err != nil {
		return wrap("write the transaction log", err)
	}
	size := j.log.BytesSinceRoll()
	if j.opt.Observer != nil {
		j.opt.Observer.Synced(size)
	}
	done(Completion{
		Kind: zab.DiskAppend, Incarnation: last.Incarnation, Zxid: last.Entry.Zxid(), FileBytes: j.closed + size, OK: true,
	})
	if limit := j.opt.MaxLogFile; limit > 0 && size > limit {
		j.closed += size
		return wrap("write the transaction log", j.log.Roll())
	}
	return nil
}

// append writes the bytes of an entry, which must be those of its transaction.
// An entry without bytes is one that no other server gets; it is encoded here,
// away from the loop.
func (j *Journal) append(e zab.Entry) error {
	if e.Raw == nil && e.Txn != nil {
		j.buf = e.Txn.AppendTo(j.buf[:0])
		return j.log.Append(j.buf)
	}
	z, err := txnlog.PayloadZxid(e.Raw)
	if err == nil && (e.Txn == nil || e.Txn.Zxid != proto.Zxid(z)) {
		err = fmt.Errorf("the bytes of a transaction are those of %v", proto.Zxid(z))
	}
	if err != nil {
		return err
	}
	return j.log.Append(e.Raw)
}

// single carries out an order that is not about a record. All records before it
// are durable.
func (j *Journal) single(o *zab.Disk, done func(Completion)) error {
	c := Completion{Kind: o.Kind, Incarnation: o.Incarnation, Zxid: o.Zxid, Epoch: o.Epoch, OK: true}
	err := j.carryOut(o, &c)
	if err == nil {
		done(c)
	}
	return err
}

func (j *Journal) carryOut(o *zab.Disk, c *Completion) error {
	switch o.Kind {
	case zab.DiskBarrier:
		return nil
	case zab.DiskAcceptedEpoch:
		return wrap("store the accepted epoch", j.store.StoreEpoch(store.AcceptedEpoch, o.Epoch))
	case zab.DiskCurrentEpoch:
		return wrap("store the current epoch", j.store.StoreEpoch(store.CurrentEpoch, o.Epoch))
	case zab.DiskNextConfig:
		if j.opt.Configs == nil {
			return nil
		}
		return wrap("keep the proposed configuration", j.opt.Configs.Next(o.Config))
	case zab.DiskConfig:
		if j.opt.Configs == nil {
			return nil
		}
		return wrap("keep the configuration", j.opt.Configs.Activate(o.Config))
	case zab.DiskTruncate:
		return wrap(fmt.Sprintf("truncate the transaction log after %v", o.Zxid), j.truncate(o, c))
	case zab.DiskInstall:
		return wrap(fmt.Sprintf("install the leader's snapshot %v", o.Zxid), j.install(o, c))
	}
	return fmt.Errorf("the disk has an order of the unknown kind %d", o.Kind)
}

// wrap says what was to be done; nil stays nil.
func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// truncate takes back what comes after a zxid. If the disk cannot do that, it is
// no failure: the leader has to send a snapshot.
func (j *Journal) truncate(o *zab.Disk, c *Completion) error {
	if err := j.endLog(); err != nil {
		return err
	}
	err := j.store.Truncate(o.Zxid)
	if errors.Is(err, store.ErrNotInLog) || errors.Is(err, store.ErrNoBase) {
		c.OK, c.Why = false, err.Error()
		return nil
	}
	if err != nil || !o.Reload {
		return err
	}
	var st *state.State
	r, err := j.store.Recover(store.OnState(j.opt.State, &st))
	if err != nil {
		return err
	}
	if r.LastZxid != o.Zxid {
		return fmt.Errorf("the directory then ends at %v", r.LastZxid)
	}
	c.Restart = Recovered(r)
	c.Restart.Fence = j.store.Fence()
	return nil
}

// endLog makes what was appended durable and begins a new file with the next
// record.
func (j *Journal) endLog() error {
	if err := j.log.Close(); err != nil {
		return err
	}
	j.log, j.closed = j.store.TxnLog(), 0
	return nil
}

// install makes a held snapshot durable, and the state.
func (j *Journal) install(o *zab.Disk, c *Completion) error {
	h, err := j.take(o.Snapshot, o.Zxid)
	if err != nil {
		return err
	}
	if err := j.endLog(); err != nil {
		return err
	}
	v := h.tree.View()
	err = j.store.Install(snap.Picture{Zxid: h.zxid, Sessions: h.sessions.Snapshot(), View: v})
	v.Close()
	if err != nil {
		return err
	}
	c.Restart = &Restart{
		Tree: h.tree, Sessions: h.sessions, Base: h.zxid, Applied: h.zxid,
		Floor: j.store.Floor(), Fence: j.store.Fence(),
	}
	return nil
}

// take gives a held snapshot away.
func (j *Journal) take(id zab.SnapshotID, z proto.Zxid) (held, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	h, ok := j.held[id]
	delete(j.held, id)
	switch {
	case !ok:
		return h, fmt.Errorf("snapshot %d is not held", id)
	case h.zxid != z:
		return h, fmt.Errorf("snapshot %d is that of %v", id, h.zxid)
	}
	return h, nil
}

// Hold keeps a received snapshot in memory for an order to install it. The tree
// and the sessions must not be used any more until they are handed out with the
// completion.
func (j *Journal) Hold(t *tree.Tree, s *session.Table, z proto.Zxid) zab.SnapshotID {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lastID++
	j.held[j.lastID] = held{tree: t, sessions: s, zxid: z}
	return j.lastID
}

// Forget gives a held snapshot up: the link it came from is down. An unknown
// one, or one that was installed, is no mistake.
func (j *Journal) Forget(id zab.SnapshotID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.held, id)
}

// Close makes what was appended durable and ends the log. It returns the first
// error of the journal's life.
func (j *Journal) Close() error {
	err := j.log.Close()
	if j.err == nil {
		j.err = ErrClosed
		return wrap("close the transaction log", err)
	}
	if errors.Is(j.err, ErrClosed) {
		return nil
	}
	return j.err
}
