package client_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"quokka/client"
)

func TestNodes(t *testing.T) {
	onEach(t, func(t *testing.T, f fixture) {
		ctx, c := short(t), dial(t, f.ConnectString(), client.Options{})
		p, err := c.Create(ctx, "/a", []byte("1"))
		want(t, err, nil)
		same(t, p, "/a")
		_, err = c.Create(ctx, "/a", nil)
		want(t, err, client.ErrNodeExists)
		same(t, err.Error(), "zookeeper: create /a: node exists")
		_, err = c.Create(ctx, "/x/y", nil)
		want(t, err, client.ErrNoNode)
		data, st, err := c.Get(ctx, "/a")
		want(t, err, nil)
		same(t, string(data), "1")
		if st.DataLength != 1 || st.Czxid == 0 || time.Since(st.Ctime).Abs() > time.Hour {
			t.Errorf("%+v", st)
		}
		st, err = c.Set(ctx, "/a", []byte("22"), 0)
		want(t, err, nil)
		if st.Version != 1 || st.Mzxid <= st.Czxid {
			t.Errorf("%+v", st)
		}
		_, err = c.Set(ctx, "/a", nil, 0)
		want(t, err, client.ErrBadVersion)
		_, err = c.Create(ctx, "/a/b", nil)
		want(t, err, nil)
		_, err = c.Create(ctx, "/a/c", []byte{})
		want(t, err, nil)
		names, st, err := c.Children(ctx, "/a")
		want(t, err, nil)
		slices.Sort(names)
		if !slices.Equal(names, []string{"b", "c"}) || st.NumChildren != 2 {
			t.Errorf("%v %+v", names, st)
		}
		want(t, c.Delete(ctx, "/a", client.AnyVersion), client.ErrNotEmpty)
		want(t, c.Delete(ctx, "/a/b", 7), client.ErrBadVersion)
		want(t, c.Delete(ctx, "/a/b", 0), nil)
		_, ok, err := c.Exists(ctx, "/a/b")
		if ok || err != nil {
			t.Error(ok, err)
		}
		st, ok, err = c.Exists(ctx, "/a/c")
		if !ok || err != nil || st.Czxid == 0 {
			t.Error(ok, err, st)
		}
		nilData, _, err := c.Get(ctx, "/a/c")
		if err != nil || nilData == nil || len(nilData) != 0 {
			t.Errorf("%v %v", nilData, err)
		}
		want(t, c.Sync(ctx, "/a"), nil)
	})
}

func TestKindsOfNodes(t *testing.T) {
	onAll(t, 1, func(t *testing.T, f fixture) {
		ctx, c := short(t), dial(t, f.ConnectString(), client.Options{})
		p, err := c.Create(ctx, "/s-", nil, client.Sequential)
		want(t, err, nil)
		same(t, p, "/s-0000000000")
		p, err = c.Create(ctx, "/e-", nil, client.Ephemeral, client.Sequential)
		want(t, err, nil)
		same(t, p, "/e-0000000001")
		st, _, err := c.Exists(ctx, p)
		want(t, err, nil)
		if st.EphemeralOwner != c.Session().ID {
			t.Errorf("owner %v of %v", st.EphemeralOwner, c.Session().ID)
		}
		_, err = c.Create(ctx, p+"/x", nil)
		want(t, err, client.ErrNoChildrenForEphemerals)
		p, st, err = c.CreateStat(ctx, "/c", []byte("abc"), client.Container)
		want(t, err, nil)
		if p != "/c" || st.DataLength != 3 {
			t.Errorf("%s %+v", p, st)
		}
		_, err = c.Create(ctx, "/ttl", nil, client.WithTTL(time.Minute))
		want(t, err, nil)
		p, st, err = c.CreateStat(ctx, "/ttl-", nil, client.WithTTL(time.Minute), client.Sequential)
		want(t, err, nil)
		if !strings.HasPrefix(p, "/ttl-000000") || st.Czxid == 0 {
			t.Errorf("%s %+v", p, st)
		}
		_, st, err = c.CreateStat(ctx, "/plain", nil)
		if err != nil || st.Czxid == 0 {
			t.Error(st, err)
		}
		_, err = c.Create(ctx, "/bad", nil, client.Container, client.Ephemeral)
		want(t, err, client.ErrBadArguments)
		for _, path := range []string{"", "a", "/a/", "//", "/a/../b", "/\x00"} {
			_, err := c.Create(ctx, path, nil)
			want(t, err, client.ErrBadArguments)
			_, _, err = c.Get(ctx, path)
			want(t, err, client.ErrBadArguments)
		}
		all, err := c.GetEphemerals(ctx, "/")
		if err != nil || len(all) != 1 {
			t.Error(all, err)
		}
		want(t, c.EnsurePath(ctx, "/deep/er/est"), nil)
		want(t, c.EnsurePath(ctx, "/deep/er/est"), nil)
		n, err := c.AllChildrenNumber(ctx, "/deep")
		if err != nil || n != 2 {
			t.Error(n, err)
		}
	})
}

func TestACLs(t *testing.T) {
	onEach(t, func(t *testing.T, f fixture) {
		ctx, c, other := short(t), dial(t, f.ConnectString(), client.Options{}), dial(t, f.ConnectString(), client.Options{})
		_, err := c.Create(ctx, "/mine", nil, client.WithACL(client.CreatorACL(client.PermAll)...))
		want(t, err, client.ErrInvalidACL)
		want(t, c.AddAuth(ctx, "digest", []byte("bob:pw")), nil)
		_, err = c.Create(ctx, "/mine", nil, client.WithACL(client.CreatorACL(client.PermAll)...))
		want(t, err, nil)
		_, _, err = other.Get(ctx, "/mine")
		want(t, err, client.ErrNoAuth)
		acl, st, err := c.GetACL(ctx, "/mine")
		want(t, err, nil)
		if len(acl) != 1 || acl[0] != client.DigestACL(client.PermAll, "bob", "pw")[0] || st.Aversion != 0 {
			t.Errorf("%v %+v", acl, st)
		}
		same(t, acl[0].Perms.String(), "cdrwa")
		st, err = c.SetACL(ctx, "/mine", client.WorldACL(client.PermRead), 0)
		if err != nil || st.Aversion != 1 {
			t.Error(st, err)
		}
		_, err = c.SetACL(ctx, "/mine", nil, 1)
		if err == nil {
			t.Error("an empty ACL was taken")
		}
		_, _, err = other.Get(ctx, "/mine")
		want(t, err, nil)
		who, err := c.WhoAmI(ctx)
		if err != nil || !slices.Contains(who, client.Identity{Scheme: "digest", User: "bob"}) {
			t.Error(who, err)
		}
		// A scheme the server does not have costs the connection, not the session.
		id := other.Session().ID
		want(t, other.AddAuth(ctx, "nonsense", []byte("x")), client.ErrAuthFailed)
		_, err = other.Create(ctx, "/still", nil)
		for client.Ambiguous(err) {
			_, err = other.Create(ctx, "/still", nil)
		}
		if err != nil && !errors.Is(err, client.ErrNodeExists) || other.Session().ID != id {
			t.Error(err, other.Session().ID, id)
		}
	})
}

// TestEnsurePathNeedsNoRightsAbove has a directory in one that is closed.
func TestEnsurePathNeedsNoRightsAbove(t *testing.T) {
	onEach(t, func(t *testing.T, f fixture) {
		ctx, c, other := short(t), dial(t, f.ConnectString(), client.Options{}), dial(t, f.ConnectString()+"/closed/ours", client.Options{})
		must(t, c.EnsurePath(ctx, "/closed/ours"))
		_, err := c.SetACL(ctx, "/closed", client.WorldACL(client.PermRead), -1)
		must(t, err)
		want(t, other.EnsurePath(ctx, "/"), nil)
		want(t, other.EnsurePath(ctx, "/a/b"), nil)
		want(t, c.EnsurePath(ctx, "/closed/theirs/x"), client.ErrNoAuth)
		want(t, c.EnsurePath(ctx, "/"), nil)
		want(t, c.EnsurePath(ctx, "x"), client.ErrBadArguments)
	})
}

func TestMulti(t *testing.T) {
	onEach(t, func(t *testing.T, f fixture) {
		ctx, c := short(t), dial(t, f.ConnectString(), client.Options{})
		must(t, c.EnsurePath(ctx, "/m/n"))
		sub, err := c.Sub("/m")
		must(t, err)
		r, err := sub.Multi().Create("/a-", []byte("1"), client.Sequential).Create("/c", nil, client.Container).
			Set("/n", []byte("x"), 0).Check("/n", 1).Delete("/n", 1).Commit(ctx)
		want(t, err, nil)
		if len(r) != 5 || !strings.HasPrefix(r[0].Path, "/a-00") || r[1].Path != "/c" || r[2].Stat.Version != 1 {
			t.Errorf("%+v", r)
		}
		r, err = sub.Multi().Create("/new", nil).Check("/c", 3).Delete("/c", 0).Commit(ctx)
		want(t, err, client.ErrBadVersion)
		var me *client.MultiError
		if !errors.As(err, &me) || me.Index != 1 || me.Err.Path != "/c" || me.Err.Op != "check" {
			t.Errorf("%v", err)
		}
		for i, code := range []error{client.ErrRolledBack, client.ErrBadVersion, client.ErrRolledBack} {
			want(t, r[i].Err, code)
		}
		_, ok, err := sub.Exists(ctx, "/new")
		if ok || err != nil {
			t.Error("a failed multi left something")
		}
		_, err = sub.Multi().Create("bad", nil).Commit(ctx)
		want(t, err, client.ErrBadArguments)
		if r, err := sub.Multi().Commit(ctx); r != nil || err != nil {
			t.Error(r, err)
		}
		_, err = sub.Create(ctx, "/d", []byte("data"))
		want(t, err, nil)
		got, err := sub.MultiRead().Get("/d").Get("/none").Children("/").Do(ctx)
		want(t, err, nil)
		slices.Sort(got[2].Children)
		if string(got[0].Data) != "data" || got[0].Stat.Czxid == 0 || !errors.Is(got[1].Err, client.ErrNoNode) ||
			len(got[2].Children) != 3 {
			t.Errorf("%+v", got)
		}
	})
}

func TestPipelineKeepsOrder(t *testing.T) {
	onEach(t, func(t *testing.T, f fixture) {
		ctx, c := short(t), dial(t, f.ConnectString(), client.Options{})
		p := c.Pipeline()
		made := p.Create(ctx, "/p", []byte("0"))
		var gets []*client.Future[client.Data]
		for i := range 300 {
			p.Set(ctx, "/p", []byte{byte(i)}, int32(i))
			gets = append(gets, p.Get(ctx, "/p"))
		}
		missing := p.Delete(ctx, "/none", client.AnyVersion)
		kids, acl, ok := p.Children(ctx, "/p"), p.GetACL(ctx, "/p"), p.Exists(ctx, "/p")
		last := p.Commit(ctx, c.Multi().Delete("/p", 300))
		want(t, p.Wait(ctx), client.ErrNoNode)
		if v, err := made.Wait(ctx); err != nil || v.Path != "/p" {
			t.Error(v, err)
		}
		for i, g := range gets {
			if v, err := g.Wait(ctx); err != nil || v.Data[0] != byte(i) || v.Stat.Version != int32(i+1) {
				t.Fatal(i, v, err)
			}
		}
		_, err := missing.Wait(ctx)
		want(t, err, client.ErrNoNode)
		l, err1 := kids.Wait(ctx)
		a, err2 := acl.Wait(ctx)
		e, err3 := ok.Wait(ctx)
		_, err4 := last.Wait(ctx)
		if errors.Join(err1, err2, err3, err4) != nil || l.Stat.Version != 300 || len(a.ACL) != 1 || !e.Exists {
			t.Error(l, a, e, err1, err2, err3, err4)
		}
	})
}

// TestPipelineSendsEverything has the operations that the test above has not.
func TestPipelineSendsEverything(t *testing.T) {
	onEach(t, func(t *testing.T, f fixture) {
		ctx, c := short(t), dial(t, f.ConnectString(), client.Options{})
		p := c.Pipeline()
		born, tree := p.ExistsW(ctx, "/w"), p.WatchTree(ctx, "/w/below")
		made, eph := p.CreateStat(ctx, "/w", []byte("1")), p.Create(ctx, "/w/e", nil, client.Ephemeral)
		_, acl := p.SetACL(ctx, "/w", client.WorldACL(client.PermAll), 0), p.GetACL(ctx, "/w")
		got, kids, node := p.GetW(ctx, "/w"), p.ChildrenW(ctx, "/w"), p.Watch(ctx, "/w/below/node")
		p.Create(ctx, "/w/below", nil)
		p.Create(ctx, "/w/below/node", nil)
		p.Set(ctx, "/w", []byte("2"), client.AnyVersion)
		n, mine, who := p.AllChildrenNumber(ctx, "/w"), p.GetEphemerals(ctx, "/w"), p.WhoAmI(ctx)
		read, synced := p.Read(ctx, c.MultiRead().Get("/w").Children("/w/below")), p.Sync(ctx, "/w")
		must(t, p.Wait(ctx))
		same(t, events(t, value(t, born).Watch, 1), "created /w")
		same(t, events(t, value(t, got).Watch, 1), "data changed /w")
		same(t, events(t, value(t, kids).Watch, 1), "children changed /w")
		same(t, events(t, value(t, node), 1), "created /w/below/node")
		same(t, events(t, value(t, tree), 2), "created /w/below, created /w/below/node")
		if r := value(t, read); string(r[0].Data) != "2" || len(r[1].Children) != 1 {
			t.Errorf("%+v", r)
		}
		if value(t, made).Stat.Czxid == 0 || value(t, eph).Path != "/w/e" || value(t, n) != 3 ||
			!slices.Equal(value(t, mine), []string{"/w/e"}) || value(t, acl).Stat.Aversion != 1 || len(value(t, who)) == 0 {
			t.Error(value(t, made), value(t, n), value(t, mine), value(t, acl), value(t, who))
		}
		value(t, synced)
		_, err := c.Pipeline().GetW(ctx, "/none").Wait(ctx)
		want(t, err, client.ErrNoNode)
		_, err = c.Pipeline().Reconfig(ctx, client.Reconfig{Leaving: []string{"3"}, Version: -1}).Wait(ctx)
		var e *client.Error
		if !errors.As(err, &e) || e.Op != "reconfig" || e.Code == 0 {
			t.Error(err)
		}
	})
}

// value returns the value of an answer that must be good.
func value[T any](t *testing.T, f *client.Future[T]) T {
	t.Helper()
	v, err := f.Wait(t.Context())
	must(t, err)
	return v
}

func TestChrootAndViews(t *testing.T) {
	onEach(t, func(t *testing.T, f fixture) {
		ctx, top := short(t), dial(t, f.ConnectString(), client.Options{})
		c := dial(t, f.ConnectString()+"/app", client.Options{})
		_, err := c.Create(ctx, "/x", nil)
		want(t, err, client.ErrNoNode)
		want(t, c.EnsurePath(ctx, "/"), nil)
		sub, err := c.Sub("/s")
		must(t, err)
		same(t, sub.Root(), "/app/s")
		must(t, sub.EnsurePath(ctx, "/"))
		w, err := sub.WatchTree(ctx, "/")
		must(t, err)
		p, err := sub.Create(ctx, "/n-", nil, client.Sequential, client.Ephemeral)
		want(t, err, nil)
		same(t, p, "/n-0000000000")
		same(t, events(t, w, 1), "created "+p)
		all, err := c.GetEphemerals(ctx, "/s")
		if err != nil || !slices.Equal(all, []string{"/s" + p}) {
			t.Error(all, err)
		}
		_, ok, err := top.Exists(ctx, "/app/s"+p)
		if !ok || err != nil {
			t.Error(ok, err)
		}
		if sub.Session().ID != c.Session().ID {
			t.Error("a view has a session of its own")
		}
		must(t, sub.Close())
		_, _, err = c.Children(ctx, "/")
		want(t, err, nil)
		_, _, err = c.GetConfig(ctx)
		want(t, err, nil)
		_, _, cw, err := c.GetConfigW(ctx)
		want(t, err, nil)
		must(t, cw.Close())
	})
}

func TestReconfigIsRefusedWhenDisabled(t *testing.T) {
	onEach(t, func(t *testing.T, f fixture) {
		ctx, c := short(t), dial(t, f.ConnectString(), client.Options{})
		_, _, err := c.Reconfig(ctx, client.Reconfig{Leaving: []string{"3"}, Version: -1})
		var e *client.Error
		if !errors.As(err, &e) || e.Code == 0 || e.Sent {
			t.Error(err)
		}
	})
}
