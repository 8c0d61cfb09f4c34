package sim

import (
	"quokka/internal/core/zab"
	"quokka/internal/disk/vfs"
	"quokka/internal/journal"
	"quokka/internal/proto"
)

// A Plant is a bug that is put into every server, to see whether it is
// found: the wrong orders that implementations have had.
type Plant string

// The bugs there are.
const (
	PlantNone           Plant = ""
	PlantAckBeforeFsync Plant = "ack before fsync" // records are reported as durable before they are (ZOOKEEPER-4646)
	PlantEpochBeforeLog Plant = "epoch before log" // currentEpoch overtakes the records before it (ZOOKEEPER-4643)
	PlantSkipDrain      Plant = "skip drain"       // the disk is not waited for before an election (ZOOKEEPER-4712)
	PlantKeepMemory     Plant = "keep memory"      // a truncation leaves what is in memory (ZOOKEEPER-5094)
	PlantOldVote        Plant = "old vote"         // votes carry what is applied, not what is logged (ZOOKEEPER-2845)
	PlantForgetEpoch    Plant = "forget epoch"     // acceptedEpoch is not written
	PlantNoSync         Plant = "no sync"          // the log is not flushed
	PlantNoDirSync      Plant = "no directory sync"
)

// Plants lists them.
var Plants = []Plant{
	PlantAckBeforeFsync, PlantEpochBeforeLog, PlantSkipDrain, PlantKeepMemory, PlantOldVote, PlantForgetEpoch,
	PlantNoSync, PlantNoDirSync,
}

// planted does to orders what the planted bug does.
func (d *device) planted(list []zab.Disk) []zab.Disk {
	var rest []zab.Disk
	for i := range list {
		o := list[i]
		early := false
		switch d.s.w.opt.Plant {
		case PlantAckBeforeFsync:
			early = o.Kind == zab.DiskAppend
		case PlantSkipDrain:
			early = o.Kind == zab.DiskBarrier
		case PlantForgetEpoch:
			early = o.Kind == zab.DiskAcceptedEpoch
		case PlantEpochBeforeLog:
			if early = o.Kind == zab.DiskAppend; early {
				d.late = append(d.late, o)
			} else {
				rest = append(rest, o)
				rest = append(rest, d.late...)
				d.late = nil
			}
		}
		if early {
			d.report(journal.Completion{
				Kind: o.Kind, Incarnation: o.Incarnation, Zxid: zxidOf(&o), Epoch: o.Epoch, OK: true,
			})
		}
		if d.s.w.opt.Plant != PlantEpochBeforeLog && (!early || o.Kind == zab.DiskAppend) {
			rest = append(rest, o)
		}
	}
	return rest
}

func zxidOf(o *zab.Disk) proto.Zxid {
	if o.Kind == zab.DiskAppend {
		return o.Entry.Zxid()
	}
	return 0
}

// disk is the disk with the planted bug.
func (p Plant) disk(m vfs.FS) vfs.FS {
	if p == PlantNoSync || p == PlantNoDirSync {
		return lyingDisk{m, p}
	}
	return m
}

// A lyingDisk says that it has flushed what it has not.
type lyingDisk struct {
	vfs.FS
	plant Plant
}

// SyncDir implements vfs.FS.
func (l lyingDisk) SyncDir(dir string) error {
	if l.plant == PlantNoDirSync {
		return nil
	}
	return l.FS.SyncDir(dir)
}

// OpenRW implements vfs.FS; the log is opened with it.
func (l lyingDisk) OpenRW(name string) (vfs.File, error) {
	f, err := l.FS.OpenRW(name)
	if err == nil && l.plant == PlantNoSync {
		f = lyingFile{f}
	}
	return f, err
}

type lyingFile struct{ vfs.File }

// Datasync implements vfs.File.
func (lyingFile) Datasync() error { return nil }
