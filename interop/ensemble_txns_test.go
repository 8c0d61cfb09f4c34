package interop

import (
	"cmp"
	"fmt"
	"hash/adler32"
	"maps"
	"os"
	"slices"
)

// txn is one record of the transaction logs, header decoded.
type txn struct {
	session int64
	cxid    int32
	zxid    int64
	timeMS  int64
	op      int32
	payload string   // all of it, for comparison
	body    []byte   // after the header
	holders []string // whose logs have it
}

func epochOf(zxid int64) int64   { return zxid >> 32 }
func counterOf(zxid int64) int64 { return zxid & 0xffffffff }

// readTxns reads all logs of a data directory. A record that a crash cut short ends its file.
func readTxns(dataDir string) ([]txn, error) {
	files, err := dataFiles(dataDir, "log.")
	if err != nil {
		return nil, err
	}
	var list []txn
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		u := &unpacker{b: b}
		if magic, version := u.take(4), u.i32(); len(b) > 0 && (string(magic) != "ZKLG" || version != 2) {
			return nil, fmt.Errorf("%s: magic %q version %d", path, magic, version)
		}
		u.i64()
		for {
			x, ok, err := readTxn(u)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			if !ok {
				break
			}
			list = append(list, x)
		}
	}
	return list, nil
}

func readTxn(u *unpacker) (txn, bool, error) {
	crc, length := u.i64(), u.i32()
	payload := u.take(int(length))
	mark := u.take(1)
	if u.err != nil || length == 0 || mark[0] != 'B' {
		return txn{}, false, nil
	}
	if sum := int64(adler32.Checksum(payload)); sum != crc {
		return txn{}, false, fmt.Errorf("checksum %#x, not %#x", sum, crc)
	}
	p := &unpacker{b: payload}
	x := txn{session: p.i64(), cxid: p.i32(), zxid: p.i64(), timeMS: p.i64(), op: p.i32(), payload: string(payload)}
	x.body = p.b
	return x, true, p.err
}

// committedTxns works out what was committed from the logs of all members, which must be down and must hold all logs
// since the beginning. A transaction is committed when a majority of the voters has it, when a client was told so
// (acked), or when a later one of the same epoch is committed. The others are what a leader wrote that had lost its
// followers; such a record may stay in the log of a server that took a snapshot later.
func committedTxns(members []*ensembleMember, acked map[int64]bool) ([]txn, error) {
	all := map[int64]*txn{}
	votes := map[int64]int{}
	voters := 0
	for _, m := range members {
		list, err := readTxns(m.DataDir())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.Name(), err)
		}
		if !m.observer {
			voters++
		}
		seen := map[int64]bool{}
		for _, x := range list {
			if old := all[x.zxid]; old == nil {
				all[x.zxid] = &x
			} else if old.payload != x.payload {
				return nil, fmt.Errorf("zxid %#x: the log of %s has %x, that of %s %x",
					x.zxid, old.holders[0], old.payload, m.Name(), x.payload)
			}
			if !seen[x.zxid] && !m.observer {
				votes[x.zxid]++
			}
			seen[x.zxid] = true
			all[x.zxid].holders = append(all[x.zxid].holders, m.Name())
		}
	}
	last := map[int64]int64{} // of each epoch
	for zxid := range all {
		if votes[zxid] > voters/2 || acked[zxid] {
			last[epochOf(zxid)] = max(last[epochOf(zxid)], counterOf(zxid))
		}
	}
	for zxid := range acked {
		last[epochOf(zxid)] = max(last[epochOf(zxid)], counterOf(zxid))
	}
	return chainOf(all, last)
}

// chainOf returns the committed transactions of all epochs and insists that none is missing.
func chainOf(all map[int64]*txn, last map[int64]int64) ([]txn, error) {
	var chain []txn
	for _, epoch := range slices.Sorted(maps.Keys(last)) {
		for counter := int64(1); counter <= last[epoch]; counter++ {
			x := all[epoch<<32|counter]
			if x == nil {
				return nil, fmt.Errorf("zxid %#x is in no log, although %#x is committed", epoch<<32|counter, epoch<<32|last[epoch])
			}
			chain = append(chain, *x)
		}
	}
	slices.SortFunc(chain, func(a, b txn) int { return cmp.Compare(a.zxid, b.zxid) })
	return chain, nil
}
