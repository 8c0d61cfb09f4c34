package offline

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"quokka/internal/disk/txnlog"
	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
)

// fiveTxns is a log with zxids 1 to 5 and the offsets at which they begin.
func fiveTxns() (b []byte, offsets []int) {
	var txns []*proto.Txn
	for i := range 5 {
		txns = append(txns, txn(proto.OpCreate, &proto.CreateTxn{Path: fmt.Sprintf("/n%d", i), Data: []byte("some data")}))
	}
	b = aLog(1, txns...)
	size := (len(b) - len(logHeader)) / 5
	for i := range 6 {
		offsets = append(offsets, len(logHeader)+i*size)
	}
	return b, offsets
}

func zxidsIn(t testing.TB, fsys vfs.FS, path string) string {
	t.Helper()
	l, err := txnlog.OpenLone(fsys, path)
	must(t, err)
	defer l.Close()
	var zxids []string
	for {
		rec, ok, err := l.Next()
		must(t, err)
		if !ok {
			if end, err := l.End(); err != nil || end.State != txnlog.Whole {
				t.Errorf("the copy ends badly: %+v, %v", end, err)
			}
			return strings.Join(zxids, " ")
		}
		zxids = append(zxids, fmt.Sprint(rec.Zxid))
	}
}

func TestRepair(t *testing.T) {
	whole, at := fiveTxns()
	damaged := bytes.Clone(whole)
	damaged[at[2]+40] ^= 1
	last := bytes.Clone(whole)
	last[at[4]+40] ^= 1
	worse := bytes.Clone(damaged)
	worse[at[2]+50] ^= 0x3c
	for name, c := range map[string]struct {
		log  []byte
		what OnDamage
		want string // zxids of the copy; "" is none
		says []string
	}{
		"whole":          {whole, Refuse, "1 2 3 4 5", []string{"keeps 5 records, 0x1 to 0x5"}},
		"padded":         {append(bytes.Clone(whole), make([]byte, 300)...), Refuse, "1 2 3 4 5", nil},
		"torn":           {whole[:at[4]+30], Refuse, "1 2 3 4", []string{"keeps 4 records, 0x1 to 0x4", fmt.Sprintf("torn at offset %d", at[4])}},
		"damaged":        {damaged, Refuse, "", []string{"could keep 2 records", "LOST: transaction 0x3", "LOST: 2 records, 0x4 to 0x5"}},
		"damaged, cut":   {damaged, Cut, "1 2", []string{"keeps 2 records, 0x1 to 0x2", "LOST: transaction 0x3", "LOST: 2 records, 0x4 to 0x5"}},
		"damaged, skip":  {damaged, Skip, "1 2 4 5", []string{"keeps 4 records", "LOST: transaction 0x3", "Quokka refuses a log with a gap"}},
		"mended":         {damaged, Mend, "1 2 3 4 5", []string{"keeps 5 records", fmt.Sprintf("MENDED at offset %d, after 0x2", at[2])}},
		"last mended":    {last, Mend, "1 2 3 4 5", []string{"MENDED"}},
		"beyond mending": {worse, Mend, "", []string{"could keep 2 records", "LOST: transaction 0x3"}},
		"last damaged":   {last, Refuse, "1 2 3 4", []string{"LOST: the last transaction, after 0x4"}},
		"nothing whole":  {whole[:at[0]+5], Refuse, "", []string{"could keep no record"}},
		"no header even": {whole[:7], Refuse, "", []string{"no record"}},
	} {
		disk := vfs.NewMem()
		must(t, disk.MkdirAll("/out"))
		put(t, disk, "/log.1", c.log)
		before := bytes.Clone(get(t, disk, "/log.1"))
		var out bytes.Buffer
		err := Repair(disk, "/log.1", "/out/log.1", c.what, &out)
		if (err == nil) != (c.want != "") {
			t.Errorf("%s: %v", name, err)
		}
		if c.want == "" && (name == "damaged" || name == "beyond mending") != errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		if name != "nothing whole" {
			contains(t, out.String(), c.says...)
		}
		if names, _ := disk.List("/out"); (len(names) == 1) != (c.want != "") {
			t.Errorf("%s: files %v", name, names)
		}
		if c.want != "" {
			if c.what == Mend && !bytes.Equal(get(t, disk, "/out/log.1"), whole) {
				t.Errorf("%s: the copy is not what the log was", name)
			}
			if got := zxidsIn(t, disk, "/out/log.1"); got != c.want {
				t.Errorf("%s: the copy has %s, want %s", name, got, c.want)
			}
		}
		if !bytes.Equal(before, get(t, disk, "/log.1")) {
			t.Errorf("%s: the log was changed", name)
		}
	}
}

// A copy replaces nothing, neither the log itself.
func TestRepairReplacesNothing(t *testing.T) {
	whole, _ := fiveTxns()
	disk := vfs.NewMem()
	put(t, disk, "/log.1", whole)
	for range 2 {
		err := Repair(disk, "/log.1", "/log.1", Refuse, &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), "exists already") {
			t.Errorf("error %v", err)
		}
	}
	if !bytes.Equal(get(t, disk, "/log.1"), whole) {
		t.Error("the log was changed")
	}
}

// Whatever call fails, there is a whole copy that is durable or none.
func TestRepairWithFailingDisk(t *testing.T) {
	whole, _ := fiveTxns()
	for stop := 1; ; stop++ {
		disk := vfs.NewMem()
		put(t, disk, "/log.1", whole)
		err := Repair(vfs.NewFault(disk, vfs.StopAfter(stop)), "/log.1", "/copy", Refuse, &bytes.Buffer{})
		image := disk.CrashImage(nil, vfs.CrashLose)
		if _, serr := image.Stat("/copy"); serr == nil {
			if !bytes.Equal(get(t, image, "/copy"), whole) {
				t.Errorf("stopped after %d calls: half a copy", stop)
			}
		} else if err == nil {
			t.Errorf("stopped after %d calls: no copy after success", stop)
		}
		if err == nil {
			return
		}
		if stop > 200 {
			t.Fatal("never done")
		}
	}
}

func TestChop(t *testing.T) {
	whole, _ := fiveTxns()
	disk := vfs.NewMem()
	put(t, disk, "/log.1", whole)
	must(t, Chop(disk, "/log.1", "/chopped", 3, &bytes.Buffer{}))
	if got := zxidsIn(t, disk, "/chopped"); got != "1 2 3" {
		t.Errorf("the copy has %s", got)
	}
	if err := Chop(disk, "/log.1", "/other", 9, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "does not contain") {
		t.Errorf("a zxid that is not there: %v", err)
	}
}
