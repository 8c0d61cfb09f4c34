package tree

import (
	"testing"

	"quokka/internal/proto"
)

func TestParseLimits(t *testing.T) {
	for in, want := range map[string]Limits{
		"":                   {-1, -1, -1, -1},
		"count=3,bytes=100":  {3, 100, -1, -1},
		"count=3,bytes=100=": {3, 100, -1, -1},
		"count=3,bytes=100=;byteHardLimit=-1;countHardLimit=7": {3, 100, 7, -1},
		"bytes=;count=x,,;byteHardLimit=9":                     {-1, -1, -1, 9},
	} {
		if got := ParseLimits([]byte(in)); got != want {
			t.Errorf("%q: %+v, want %+v", in, got, want)
		}
	}
	// as zkCli.sh of 3.8 wrote it
	if got := string(Limits{3, 100, -1, -1}.Append(nil)); got != "count=3,bytes=100=;byteHardLimit=-1;countHardLimit=-1" {
		t.Error(got)
	}
}

func FuzzParseLimits(f *testing.F) {
	f.Add([]byte("count=3,bytes=100=;byteHardLimit=-1;countHardLimit=-1"))
	f.Fuzz(func(t *testing.T, in []byte) {
		l := ParseLimits(in)
		if again := ParseLimits(l.Append(nil)); again != l {
			t.Fatalf("%q: %+v became %+v", in, l, again)
		}
	})
}

func create(t *testing.T, tr *Tree, path, data string) {
	t.Helper()
	if c := tr.Create(path, []byte(data), nil, 0, -1, 9, 9); c != proto.OK {
		t.Fatalf("create %s: %v", path, c)
	}
}

func TestQuotaFollowsTheSubtree(t *testing.T) {
	tr := New(Options{})
	create(t, tr, "/a", "12")
	create(t, tr, "/a/b", "345")
	create(t, tr, "/zookeeper/quota/a", "")
	create(t, tr, "/zookeeper/quota/a/zookeeper_limits", "count=3,bytes=-1=;byteHardLimit=10;countHardLimit=-1")
	create(t, tr, "/zookeeper/quota/a/zookeeper_stats", "count=0,bytes=0")
	stats := func(want string) {
		t.Helper()
		r := tr.FindString("/zookeeper/quota/a/zookeeper_stats")
		if got := string(tr.Data(r)); got != want || tr.Stat(r).Mzxid != 9 || tr.Stat(r).Version != 0 {
			t.Errorf("stats %q, want %q; %+v", got, want, tr.Stat(r))
		}
	}
	stats("count=2,bytes=5")
	tr.SetData("/a", []byte("1234"), 1, 10, 10)
	stats("count=2,bytes=7")
	create(t, tr, "/ab", "not below")
	create(t, tr, "/a/c", "")
	stats("count=3,bytes=7")
	if w := tr.TakeQuotaWarnings(); len(w) != 0 {
		t.Errorf("warnings %+v", w)
	}
	create(t, tr, "/a/d", "")
	create(t, tr, "/a/e", "abcdefgh")
	if w := tr.TakeQuotaWarnings(); len(w) != 1 || w[0] != (QuotaWarning{"/a", false, false, 4, 3}) {
		t.Errorf("warnings %+v", w)
	}
	tr.SetData("/a/e", []byte("abcdefghi"), 1, 10, 10)
	if w := tr.TakeQuotaWarnings(); len(w) != 1 || w[0] != (QuotaWarning{"/a", true, true, 16, 10}) {
		t.Errorf("warnings %+v", w)
	}
	tr.Delete("/a/e", 11)
	stats("count=4,bytes=7")
	root, limits, usage, ok := tr.QuotaOf("/a/x/y")
	if !ok || root != "/a" || usage != (Usage{4, 7}) || limits != (Limits{3, -1, -1, 10}) {
		t.Errorf("quota of /a/x/y: %q %+v %+v", root, limits, usage)
	}
	if w, over := (Quota{root, limits, usage}).Exceeded(0, 4); !over || !w.Hard || !w.Bytes || w.Used != 11 {
		t.Errorf("exceeded %+v %v", w, over)
	}
	tr.Delete("/zookeeper/quota/a/zookeeper_limits", 12)
	create(t, tr, "/a/f", "")
	stats("count=4,bytes=7")
	if _, _, _, ok := tr.QuotaOf("/a"); ok {
		t.Error("quota without limits")
	}
}

func TestNestedQuotasCountForTheInnerOnly(t *testing.T) {
	tr := New(Options{})
	for _, p := range []string{"/a", "/a/b", "/zookeeper/quota/a", "/zookeeper/quota/a/b", "/zookeeper/quota/a/b/zookeeper_limits",
		"/zookeeper/quota/a/zookeeper_limits", "/zookeeper/quota/zookeeper_limits", "/a/b/c", "/a/x"} {
		create(t, tr, p, "")
	}
	_, _, outer, _ := tr.QuotaOf("/a")
	_, _, inner, _ := tr.QuotaOf("/a/b/c/d")
	if outer.Count != 3 || inner.Count != 2 {
		t.Errorf("outer %+v, inner %+v", outer, inner)
	}
	if _, _, _, ok := tr.QuotaOf("/x"); ok {
		t.Error("the root has a quota")
	}
}
