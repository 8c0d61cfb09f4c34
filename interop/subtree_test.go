package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"quokka/client"
	"quokka/internal/subtree"
)

// TestSubtreesGoFromJavaToQuokkaAndBack copies a tree from a Java server to Quokka and on to a second Java server: by
// the library, and by the shell's cp and export. All are equal then, and go on numbering where the first one was.
func TestSubtreesGoFromJavaToQuokkaAndBack(t *testing.T) {
	needJava(t)
	first := newJava(t, serverOptions{})
	middle := newQuokka(t, serverOptions{})
	last := newJava(t, serverOptions{})
	sides := make([]subtree.Side, 3)
	for i, s := range []Server{first, middle, last} {
		must(t, s.Start())
		c, err := client.Dial(t.Context(), s.Addr(), client.Options{Auth: []client.Auth{{Scheme: "digest", Data: []byte("alice:secret")}}})
		must(t, err)
		t.Cleanup(func() { _ = c.Close() })
		sides[i] = subtree.Side{Client: c, Root: "/app"}
	}
	plantTree(t, sides[0].Client)
	for i := range 2 {
		r, err := subtree.Copy(t.Context(), sides[i], sides[i+1], subtree.TransferOptions{})
		must(t, err)
		if i == 0 && r.Skipped != 1 {
			t.Errorf("skipped %d nodes, want the ephemeral one", r.Skipped)
		}
		equalTrees(t, sides[0], sides[i+1])
	}
	for _, s := range sides {
		at, err := s.Client.Create(t.Context(), "/app/queue/n-", nil, client.Sequential)
		must(t, err)
		if at != "/app/queue/n-0000000620" {
			t.Errorf("the next sequential node is %s", at)
		}
	}
	shellRoundTrip(t, first.Addr(), middle.Addr(), last.Addr())
	r, err := subtree.Delete(t.Context(), sides[2].Client, "/", subtree.DeleteOptions{})
	must(t, err)
	names, _, err := sides[2].Client.Children(t.Context(), "/")
	must(t, err)
	if len(names) != 1 || r.Deleted < 200 {
		t.Errorf("after deleting everything: %q, %+v", names, r)
	}
}

// plantTree makes nodes of every kind that a copy must keep.
func plantTree(t *testing.T, c *client.Client) {
	t.Helper()
	ctx := t.Context()
	must(t, c.EnsurePath(ctx, "/app/queue"))
	p := c.Pipeline()
	for i := range 620 {
		p.Create(ctx, "/app/queue/n-", nil, client.Sequential)
		if i%3 > 0 {
			p.Delete(ctx, fmt.Sprintf("/app/queue/n-%010d", i), client.AnyVersion)
		}
	}
	large := make([]byte, 1_000_000)
	for i := range large {
		large[i] = byte(i * i)
	}
	p.Create(ctx, "/app/large", large)
	p.Create(ctx, "/app/empty", []byte{})
	p.Create(ctx, "/app/ünï 日本", []byte("text ü"))
	p.Create(ctx, "/app/alice", []byte("x"), client.WithACL(client.DigestACL(client.PermAll, "alice", "secret")...))
	p.Create(ctx, "/app/alice/below", nil, client.WithACL(client.CreatorACL(client.PermRead|client.PermAdmin)...))
	p.Create(ctx, "/app/ip", nil, client.WithACL(client.ACL{Perms: client.PermAll, Scheme: "ip", ID: "127.0.0.1"}))
	p.Create(ctx, "/app/ephemeral", nil, client.Ephemeral)
	must(t, p.Wait(ctx))
}

func equalTrees(t *testing.T, left, right subtree.Side) {
	t.Helper()
	o := subtree.DiffOptions{NoEphemerals: true}
	nodes := func(s subtree.Side) func(func(subtree.Node, error) bool) {
		return subtree.DiffWalk(t.Context(), s, o, nil)
	}
	for d, err := range subtree.Diff(nodes(left), nodes(right), o) {
		must(t, err)
		t.Fatalf("differs at %s: %+v", d.Path, d)
	}
}

// TestKindsGoFromJavasSnapshotToQuokka copies containers and TTL nodes, which only a snapshot tells from persistent ones,
// and looks into the destination's own files for what became of them.
func TestKindsGoFromJavasSnapshotToQuokka(t *testing.T) {
	needJava(t)
	first, second := newJava(t, serverOptions{}), newQuokka(t, serverOptions{})
	must(t, first.Start())
	must(t, second.Start())
	run := quokkaCommand(t)
	run("-server " + first.Addr() + " create /k")
	run("-server " + first.Addr() + " create -c /k/container")
	run("-server " + first.Addr() + " create /k/container/child")
	run("-server " + first.Addr() + " create -t 86400000 /k/ttl")
	must(t, first.Stop()) // a server that starts writes a snapshot
	must(t, first.Start())
	kinds := filepath.Join(t.TempDir(), "kinds.txt")
	must(t, os.WriteFile(kinds, []byte(run("snapshot print "+first.DataDir())), 0o600))
	run("-server " + first.Addr() + " cp --kinds " + kinds + " /k " + second.Addr() + "/k")
	must(t, second.Stop())
	for path, want := range map[string]string{"/k/container": "kind = container", "/k/ttl": "kind = ttl, 86400000 ms", "/k/container/child": ""} {
		text := run("datadir stat " + second.DataDir() + " " + path)
		if want != "" && !strings.Contains(strings.ToLower(text), want) || want == "" && strings.Contains(text, "kind =") {
			t.Errorf("%s: want %q in\n%s", path, want, text)
		}
	}
}

// quokkaCommand returns what runs a command line of the program, as alice.
func quokkaCommand(t *testing.T) func(args string) string {
	t.Helper()
	binary, err := buildQuokka()
	must(t, err)
	return func(args string) string {
		t.Helper()
		cmd := exec.Command(binary, strings.Fields(args)...)
		cmd.Env = append(withoutQuokka(cmd.Environ()), "ZK_AUTH=digest:alice:secret")
		cmd.WaitDelay = time.Second
		text, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("quokka %s: %v\n%s", args, err, text)
		}
		return string(text)
	}
}

// shellRoundTrip does the same by commands, with a file between the last two.
func shellRoundTrip(t *testing.T, first, middle, last string) {
	t.Helper()
	file := t.TempDir() + "/app.jsonl.gz"
	run := quokkaCommand(t)
	run("-server " + first + " cp /app " + middle + "/shell")
	run("-server " + middle + " export /shell " + file)
	run("-server " + last + " import " + file)
	if out := run("-server " + first + " diff --no-ephemerals /app " + last + "/shell"); out != "" {
		t.Errorf("the shell's copies differ:\n%s", out)
	}
	if out := run("-server " + last + " create -s /shell/queue/n-"); !strings.Contains(out, "/shell/queue/n-0000000621") {
		t.Errorf("the next sequential node: %s", out)
	}
	run("-server " + last + " mirror --delete -y /app/queue /shell/queue")
	if out := run("-server " + last + " deleteall /shell"); out != "" {
		t.Errorf("deleteall printed %s", out)
	}
}
