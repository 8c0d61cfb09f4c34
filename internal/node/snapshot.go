package node

import (
	"fmt"
	"time"

	"quokka/internal/disk/snap"
	"quokka/internal/proto"
)

// snapshot starts writing a picture of the state as it is now. The caller
// holds the lock exclusively; requests go on as soon as it lets go.
func (n *Node) snapshot() {
	if !n.snapping.CompareAndSwap(false, true) {
		n.log.Warn("Too busy to snap, skipping")
		return
	}
	view := n.state.Tree().View()
	p := snap.Picture{Sessions: n.state.Sessions().Snapshot(), View: view, Zxid: n.state.LastZxid(),
		Digest: n.opt.Digest, LastProcessed: n.opt.LastProcessed, Fence: n.fence}
	n.wg.Go(func() {
		begin := time.Now()
		n.log.Info(fmt.Sprintf("Snapshotting: %v", p.Zxid))
		info, err := n.opt.Snapshots.SaveSnapshot(p, n.pace())
		took := time.Since(begin)
		n.opt.Metrics.SnapshotMS.Observe(took.Milliseconds())
		if err != nil {
			// The log still has everything; the next snapshot may succeed.
			n.log.Error("cannot write a snapshot; the older ones and the log stay as they are", "zxid", p.Zxid.String(), "error", err)
		} else {
			n.log.Info(fmt.Sprintf("Snapshot taken in %d ms", took.Milliseconds()), "zxid", p.Zxid.String(), "bytes", info.Size)
		}
		if !n.inbox.post(input{kind: inputSnapshot, done: view.Close}) {
			n.mu.Lock()
			view.Close()
			n.mu.Unlock()
		}
	})
}

// pace returns a progress function that makes the snapshot writer rest as
// long as it worked, so that the log has the disk, and requests the
// processor, for half of the time at least. When the node stops it does not
// rest any more.
func (n *Node) pace() func(int64) {
	begin := time.Now()
	return func(int64) {
		rest := time.NewTimer(min(time.Since(begin), maxRest))
		defer rest.Stop()
		select {
		case <-rest.C:
		case <-n.stopping:
		}
		begin = time.Now()
	}
}

// maxRest bounds one rest, so that a slow disk does not make it slower still.
const maxRest = 50 * time.Millisecond

// A DigestEntry is the tree's digest after a transaction.
type DigestEntry struct {
	Zxid   proto.Zxid
	Digest uint64
}

// digestLog keeps the digests of the zxids divisible by 128, the last 1024
// of them.
type digestLog struct {
	ring []DigestEntry
	next int
}

const (
	digestInterval = 128
	digestEntries  = 1024
)

func (d *digestLog) record(z proto.Zxid, digest uint64) {
	if z%digestInterval != 0 {
		return
	}
	e := DigestEntry{z, digest}
	if len(d.ring) < digestEntries {
		d.ring = append(d.ring, e)
		return
	}
	d.ring[d.next] = e
	d.next = (d.next + 1) % digestEntries
}

func (d *digestLog) all() []DigestEntry {
	v := append([]DigestEntry{}, d.ring[d.next:]...)
	return append(v, d.ring[:d.next]...)
}
