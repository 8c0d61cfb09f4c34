package conf

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"quokka/internal/config"
	"quokka/internal/core/quorum"
	"quokka/internal/disk/vfs"
)

const static = `# our ensemble
dataDir = /d
clientPort=2181
clientPortListenBacklog=50
initLimit=10
syncLimit=5
reconfigEnabled=true
server.1=a:1:2
server.2=b:1:2
peerType=participant
ssl.path=C:\\x
`

const rewritten = `# our ensemble
dataDir = /d
clientPortListenBacklog=50
initLimit=10
syncLimit=5
reconfigEnabled=true
ssl.path=C:\\x
dynamicConfigFile=/c/zoo.cfg.dynamic.100000000
`

const (
	one = "server.1=a:1:2:participant;0.0.0.0:2181\nserver.2=b:1:2:participant;0.0.0.0:2181\nversion=100000000"
	two = "server.1=a:1:2:participant;0.0.0.0:2181\nserver.10=b:1:2:observer;0.0.0.0:2181\nserver.2=b:3:4:participant;0.0.0.0:2181\nversion=100000007"
)

func put(t testing.TB, disk vfs.FS, name, text string) {
	t.Helper()
	if err := disk.MkdirAll(filepath.Dir(name)); err != nil {
		t.Fatal(err)
	}
	if err := vfs.WriteFileAtomic(disk, name, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, disk vfs.FS, name string) string {
	t.Helper()
	text, err := (&Files{fsys: disk}).read(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func names(t testing.TB, disk vfs.FS) string {
	t.Helper()
	list, err := disk.List("/c")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, " ")
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newFiles(t testing.TB, disk vfs.FS, version uint64) *Files {
	t.Helper()
	f, err := New(disk, Options{ConfigFile: "/c/zoo.cfg", Enabled: true, Self: 1, Version: version})
	must(t, err)
	return f
}

func TestFirstConfigurationLeavesZooCfg(t *testing.T) {
	disk := vfs.NewMem()
	put(t, disk, "/c/zoo.cfg", static)
	f := newFiles(t, disk, 0)
	must(t, f.Next(one))
	if got := get(t, disk, "/c/zoo.cfg.dynamic.next"); got != one || names(t, disk) != "zoo.cfg zoo.cfg.dynamic.next" {
		t.Errorf("next is %q beside %s", got, names(t, disk))
	}
	must(t, f.Activate(one))
	if got, want := names(t, disk), "zoo.cfg zoo.cfg.bak zoo.cfg.dynamic.100000000"; got != want {
		t.Errorf("files are %s, want %s", got, want)
	}
	for name, want := range map[string]string{
		"zoo.cfg": rewritten, "zoo.cfg.bak": static, "zoo.cfg.dynamic.100000000": strings.TrimSuffix(one, "\nversion=100000000"),
	} {
		if got := get(t, disk, "/c/"+name); got != want {
			t.Errorf("%s holds\n%s\nwant\n%s", name, got, want)
		}
	}
	must(t, f.Next(two))
	must(t, f.Activate(one)) // known: the proposed one stays
	must(t, f.Activate(two))
	if got, want := names(t, disk), "zoo.cfg zoo.cfg.bak zoo.cfg.dynamic.100000000 zoo.cfg.dynamic.100000007"; got != want {
		t.Errorf("files are %s, want %s", got, want)
	}
	if got := get(t, disk, "/c/zoo.cfg"); got != strings.Replace(rewritten, ".100000000", ".100000007", 1) || get(t, disk, "/c/zoo.cfg.bak") != static {
		t.Errorf("zoo.cfg holds\n%s", got)
	}
	// Sorted as strings are: 0 comes before the equals sign.
	want := "server.10=b:1:2:observer;0.0.0.0:2181\nserver.1=a:1:2:participant;0.0.0.0:2181\nserver.2=b:3:4:participant;0.0.0.0:2181"
	if got := get(t, disk, "/c/zoo.cfg.dynamic.100000007"); got != want {
		t.Errorf("the file holds\n%s\nwant\n%s", got, want)
	}
}

func TestProposedConfigurationIsTakenBack(t *testing.T) {
	disk := vfs.NewMem()
	put(t, disk, "/c/zoo.cfg", rewritten)
	f := newFiles(t, disk, 0x100000000)
	must(t, f.Next(two))
	must(t, f.Next(one)) // a new leader knows nothing of it
	if names(t, disk) != "zoo.cfg" {
		t.Errorf("files are %s", names(t, disk))
	}
	put(t, disk, "/c/zoo.cfg.dynamic.next", one) // left by a crash
	must(t, f.Activate(one))
	if names(t, disk) != "zoo.cfg" || get(t, disk, "/c/zoo.cfg") != rewritten {
		t.Errorf("files are %s", names(t, disk))
	}
	put(t, disk, "/c/zoo.cfg.dynamic.next", "not a configuration")
	must(t, f.Activate(one))
	if names(t, disk) != "zoo.cfg" {
		t.Errorf("files are %s", names(t, disk))
	}
}

func TestNothingIsKept(t *testing.T) {
	disk := vfs.NewMem()
	put(t, disk, "/c/zoo.cfg", static)
	for _, o := range []Options{{ConfigFile: "/c/zoo.cfg"}, {Enabled: true}} {
		f, err := New(disk, o)
		if f != nil || err != nil || f.Next(one) != nil || f.Activate(one) != nil {
			t.Errorf("%+v: %v %v", o, f, err)
		}
	}
	if names(t, disk) != "zoo.cfg" || get(t, disk, "/c/zoo.cfg") != static {
		t.Error("files changed")
	}
	if _, err := New(disk, Options{ConfigFile: "/c/\xff.cfg", Enabled: true}); err == nil {
		t.Error("a path that no properties file can hold")
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	disk := vfs.NewMem()
	put(t, disk, "/c/zoo.cfg", static)
	for _, op := range []vfs.Op{vfs.OpCreate, vfs.OpSync, vfs.OpRename, vfs.OpSyncDir} {
		failing := func() *Files {
			f := newFiles(t, disk, 0)
			f.fsys = vfs.NewFault(disk, vfs.FailOnce(op, 1, errors.New("no power")))
			return f
		}
		for _, err := range []error{failing().Next(one), failing().Activate(one)} {
			if err == nil || !strings.Contains(err.Error(), "no power") || !strings.Contains(err.Error(), "reconfigEnabled=false") {
				t.Errorf("%v: %v", op, err)
			}
		}
	}
	f := newFiles(t, disk, 0)
	if f.Next("?") == nil || f.Activate("server.1=x") == nil {
		t.Error("a text that is no configuration was kept")
	}
	must(t, disk.Remove("/c/zoo.cfg"))
	if err := f.Activate(one); err == nil || !strings.Contains(err.Error(), "read /c/zoo.cfg") {
		t.Errorf("%v", err)
	}
}

func TestRewrite(t *testing.T) {
	withPort := quorum.Server{Client: quorum.HostPort{Host: "h", Port: 1}}
	secure := quorum.Server{Secure: quorum.HostPort{Host: "h", Port: 1}}
	const pointed = "dynamicConfigFile=/x\n"
	for _, c := range []struct {
		old, want string
		self      quorum.Server
	}{
		{"", "", quorum.Server{}},
		{"a=1", "a=1\n", withPort},
		{"a=1\\\n", "a=1\\\n\n", withPort},
		{"a=1\\", "a=1\\\n\n", withPort},
		{"#c\\", "#c\\\n", withPort},
		{"server.1=a\\\n :1:2\nb=2\n", "b=2\n", withPort},
		{"\ufeffserver.1 a:1:2\r\nb=2\r\n", "b=2\r\n", withPort},
		{"clientPort=1\nclientPortAddress=h\n", "clientPort=1\nclientPortAddress=h\n", quorum.Server{}},
		{"clientPort=1\nclientPortAddress=h\nsecureClientPort=3\n", "secureClientPort=3\n", withPort},
		{"clientPort=1\nsecureClientPort=3\nsecureClientPortAddress=h\n", "clientPort=1\n", secure},
		{"groups=1\nweight.1=2\n  dynamicConfigFile : /y\na\\u00e9\\ \\=b=c\n# end", "a\\u00e9\\ \\=b=c\n# end\n", withPort},
	} {
		got, had, err := rewrite(c.old, "/x", c.self)
		if err != nil || got != c.want+pointed || had != strings.Contains(c.old, "/y") {
			t.Errorf("%q:\ngot  %q %v %v\nwant %q", c.old, got, had, err, c.want+pointed)
		}
	}
	if got, _, err := rewrite("", `/é\`, withPort); err != nil || got != "dynamicConfigFile=/\\u00e9\\\\\n" {
		t.Errorf("%q %v", got, err)
	}
	if _, _, err := rewrite("a=\\u1", "/x", withPort); err == nil {
		t.Error("a file that is no properties file was rewritten")
	}
}

func FuzzRewrite(f *testing.F) {
	f.Add(static)
	f.Add("a\\\n\n server.1=\\")
	f.Fuzz(func(t *testing.T, old string) {
		text, _, err := rewrite(old, "/x", quorum.Server{})
		if err != nil {
			return
		}
		again, had, err := rewrite(text, "/x", quorum.Server{})
		if err != nil || !had || again != text {
			t.Fatalf("%q became %q and then %q, %v", old, text, again, err)
		}
	})
}

// started is what a server would start with: the active configuration, and
// the proposed one if it is newer.
func started(t testing.TB, disk vfs.FS) (active, next quorum.Membership) {
	t.Helper()
	properties, err := quorum.Properties(get(t, disk, "/c/zoo.cfg"))
	must(t, err)
	i := slices.IndexFunc(properties, func(p quorum.Property) bool { return p.Key == pointer })
	var lines []string
	if i < 0 {
		for _, p := range properties {
			if strings.HasPrefix(p.Key, "server.") {
				lines = append(lines, p.Key+"="+p.Value)
			}
		}
	} else {
		lines = []string{get(t, disk, properties[i].Value), "version=" + strings.TrimPrefix(properties[i].Value, "/c/zoo.cfg.dynamic.")}
	}
	active, err = quorum.ParseMembership(strings.Join(lines, "\n"), false)
	must(t, err)
	if text, err := newFiles(t, disk, 0).read("/c/zoo.cfg.dynamic.next"); err == nil {
		next, err = quorum.ParseMembership(text, false)
		must(t, err)
	}
	if next.Version <= active.Version {
		next = active
	}
	return active, next
}

// A power loss at any call leaves the old configuration or the new one, and
// the proposed one until the new one is in force.
func TestPowerLossAtEveryCall(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	first, second := parseText(t, one), parseText(t, two)
	for stop := 1; ; stop++ {
		disk := vfs.NewMem()
		put(t, disk, "/c/zoo.cfg", static)
		f := newFiles(t, disk, 0)
		f.fsys = vfs.NewFault(disk, vfs.StopAfter(stop))
		promised, err := 0, error(nil)
		for _, step := range []func() error{
			func() error { return f.Next(one) }, func() error { return f.Activate(one) },
			func() error { return f.Next(two) }, func() error { return f.Activate(two) },
		} {
			if err = step(); err != nil {
				break
			}
			promised++
		}
		for round := range 12 {
			image := disk.CrashImage(rng, []vfs.CrashMode{vfs.CrashLose, vfs.CrashKeep, vfs.CrashRandom}[min(round, 2)])
			active, next := started(t, image)
			what := fmt.Sprintf("stop %d round %d after %d steps: active %s, next %s", stop, round, promised, active.Text(), next.Text())
			least := [][2]uint64{{0, 0}, {0, first.Version}, {first.Version, first.Version}, {first.Version, second.Version}, {second.Version, second.Version}}[promised]
			if active.Version < least[0] || next.Version < least[1] {
				t.Fatalf("%s: something that was durable is lost", what)
			}
			for _, m := range []quorum.Membership{active, next} {
				known := map[uint64]quorum.Membership{0: m, first.Version: first, second.Version: second}
				if !known[m.Version].Equal(m) {
					t.Fatalf("%s: a configuration is damaged", what)
				}
			}
			if active.Version > 0 && get(t, image, "/c/zoo.cfg.bak") != static {
				t.Fatalf("%s: the backup is damaged", what)
			}
			again := newFiles(t, image, active.Version)
			must(t, again.Activate(two))
			if m, next := started(t, image); !m.Equal(second) || !next.Equal(second) || slices.Contains(strings.Fields(names(t, image)), "zoo.cfg.dynamic.next") {
				t.Fatalf("%s: then %s beside %s", what, m.Text(), names(t, image))
			}
		}
		if err == nil {
			return
		}
	}
}

// What a process starts with is durable from then on, wherever the one before
// was killed: it may have told others of it already.
func TestStartMakesDurableWhatItReads(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for stop := 1; ; stop++ {
		disk := vfs.NewMem()
		put(t, disk, "/c/zoo.cfg", static)
		f := newFiles(t, disk, 0)
		f.fsys = vfs.NewFault(disk, vfs.StopAfter(stop)) // killed: the kernel keeps what it was given
		var err error
		for _, step := range []func() error{
			func() error { return f.Activate(one) }, func() error { return f.Next(two) }, func() error { return f.Activate(two) },
		} {
			if err = step(); err != nil {
				break
			}
		}
		active, next := started(t, disk)
		o := Options{ConfigFile: "/c/zoo.cfg", Enabled: true, Self: 1, Version: active.Version}
		if active.Version > 0 {
			_, o.DynamicFile = f.names(active.Version)
		}
		_, newErr := New(disk, o)
		must(t, newErr)
		for round := range 8 {
			image := disk.CrashImage(rng, []vfs.CrashMode{vfs.CrashLose, vfs.CrashRandom}[min(round, 1)])
			if a, n := started(t, image); a.Version != active.Version || !a.Equal(active) || n.Version != next.Version {
				t.Fatalf("stop %d: started with %x and %x, and after a power loss with %x and %x", stop, active.Version, next.Version, a.Version, n.Version)
			}
		}
		if err == nil {
			return
		}
	}
}

func TestStartSyncsTheDynamicFileOfTheOperator(t *testing.T) {
	disk := vfs.NewMem()
	put(t, disk, "/c/zoo.cfg", "dynamicConfigFile=/o/servers\n")
	must(t, disk.MkdirAll("/o"))
	file, err := disk.Create("/o/servers")
	must(t, err)
	_, err = file.Write([]byte("server.1=a:1:2"))
	must(t, errors.Join(err, file.Close()))
	o := Options{ConfigFile: "/c/zoo.cfg", Enabled: true, DynamicFile: "/o/servers"}
	_, err = New(disk, o)
	must(t, err)
	if got := get(t, disk.CrashImage(rand.New(rand.NewPCG(5, 6)), vfs.CrashLose), "/o/servers"); got != "server.1=a:1:2" {
		t.Errorf("after a power loss the file holds %q", got)
	}
	for _, op := range []vfs.Op{vfs.OpSync, vfs.OpSyncDir} {
		for n := range 3 {
			_, err := New(vfs.NewFault(disk, vfs.FailOnce(op, n+1, errors.New("no power"))), o)
			if n < 2 && (err == nil || !strings.Contains(err.Error(), "no power")) {
				t.Errorf("%v %d: %v", op, n, err)
			}
		}
	}
}

func parseText(t testing.TB, text string) quorum.Membership {
	t.Helper()
	m, err := quorum.ParseMembership(text, false)
	must(t, err)
	return m
}

// What is left loads as a configuration.
func TestConfigLoadsWhatIsLeft(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "zoo.cfg")
	must(t, os.WriteFile(file, []byte(strings.Replace(static, "/d", dir, 1)), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "myid"), []byte("1\n"), 0o644))
	c, _, err := config.Load(config.Args{Positional: []string{file}})
	must(t, err)
	f, err := New(vfs.OS{}, Options{ConfigFile: c.ConfigFile, Enabled: c.ReconfigEnabled, Self: c.ServerID, Version: c.Membership.Version})
	must(t, err)
	must(t, f.Activate(one))
	must(t, f.Next(two))
	c, _, err = config.Load(config.Args{Positional: []string{file}, Environ: []string{"QUOKKA_SERVER_1=a:1:2"}})
	must(t, err)
	if c.Membership.Text() != one || c.LastSeen == nil || c.LastSeen.Version != 0x100000007 || c.ClientListen() != "0.0.0.0:2181" {
		t.Errorf("%s\n%v\n%s", c.Membership.Text(), c.LastSeen, c.ClientListen())
	}
}
