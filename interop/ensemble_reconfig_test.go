package interop

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// reconfigure sends one reconfig as super user; joining and leaving are as zkCli.sh takes them. A server that changes
// its role may close the connection before it answers.
func reconfigure(through *ensembleMember, joining, leaving string, version int64) (int32, error) {
	c, err := dialRaw(through.Addr(), 0, nil, 30_000, 0)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	r, err := c.call(opAuth, authBody("digest", superPassword))
	if err != nil || r.err != 0 {
		return r.err, fmt.Errorf("super user on %s: err %d, %w", through.Name(), r.err, err)
	}
	text := func(s string) packer {
		if s == "" {
			return packer{}.i32(-1)
		}
		return packer{}.str(s)
	}
	body := append(append(text(joining), text(leaving)...), packer{}.i32(-1)...)
	r, err = c.call(opReconfig, body.i64(version))
	return r.err, err
}

// joinLine is how a server is added.
func (e *ensemble) joinLine(m *ensembleMember) string {
	return fmt.Sprintf("server.%d=%s", m.id, e.serverLine(m, m))
}

// expectConfig waits until every running server shows a configuration with just these members.
func (e *ensemble) expectConfig(ids ...int) {
	e.t.Helper()
	must(e.t, poll(ensembleDeadline, func() error {
		var first string
		for _, m := range e.awake() {
			text, err := m.shownConfig()
			if err != nil {
				return err
			}
			for id := 1; id <= len(e.members); id++ {
				wanted := false
				for _, w := range ids {
					wanted = wanted || w == id
				}
				if strings.Contains(text, fmt.Sprintf("server.%d=", id)) != wanted {
					return fmt.Errorf("%s shows, with %v wanted,\n%s", m.Name(), ids, text)
				}
			}
			if first == "" {
				first = text
			}
			if text != first {
				return fmt.Errorf("%s shows\n%s\nothers\n%s", m.Name(), text, first)
			}
		}
		return nil
	}))
}

// shownConfig is the content of /zookeeper/config.
func (m *ensembleMember) shownConfig() (string, error) {
	c, err := dialRaw(m.Addr(), 0, nil, 30_000, 0)
	if err != nil {
		return "", err
	}
	defer c.Close()
	r, err := c.call(opGetData, pathWatch("/zookeeper/config", false))
	if err != nil || r.err != 0 {
		return "", fmt.Errorf("/zookeeper/config of %s: err %d, %w", m.Name(), r.err, err)
	}
	return string((&unpacker{b: r.body}).buf()), nil
}

// TestEnsembleReconfig grows an ensemble under load by a server of the other kind, removes the leader, turns a
// participant into an observer and back, and restarts everything on the files that this left.
func TestEnsembleReconfig(t *testing.T) {
	eachMix(t, []string{"JJJQ", "QQQJ", "QQQQ"}, func(t *testing.T, mix string) {
		e := startEnsemble(t, mix, ensembleOptions{spares: 1, reconfig: true, snapCount: 1000})
		spare := e.members[3]
		l := startLoad(t, e.addrs(), loadOptions{seed: testSeed(t)})
		leader := e.awaitAll()
		must(t, spare.Launch())
		must(t, spare.awaitServing())
		if code, err := reconfigure(leader, "", "17", 99); err != nil || code != errBadVersion {
			t.Errorf("a reconfig of another version is answered with %d, not %d (%v)", code, errBadVersion, err)
		}
		e.mustReconfigure(leader, e.joinLine(spare), "")
		spare.spare = false
		e.expectConfig(1, 2, 3, 4)
		l.awaitWrites(t, 100)

		// An observer for a while; the change of the role restarts its part in the protocol.
		follower := e.follower(leader)
		follower.observer = true
		e.mustReconfigure(leader, e.joinLine(follower), "")
		e.awaitAll()
		must(t, poll(ensembleDeadline, func() error { return follower.hasMode("observer") }))
		l.awaitWrites(t, 100)
		follower.observer = false
		e.mustReconfigure(e.awaitAll(), e.joinLine(follower), "")
		must(t, poll(ensembleDeadline, func() error { return follower.hasMode("follower") }))

		// The leader goes, and with it all but three.
		leader = e.awaitAll()
		e.mustReconfigure(e.follower(leader), "", fmt.Sprint(leader.id))
		leader.spare = true
		l.awaitWrites(t, 100)
		must(t, leader.Stop())
		e.awaitAll()
		var ids []int
		for _, m := range e.others(leader) {
			ids = append(ids, m.id)
		}
		e.expectConfig(ids...)
		l.awaitWrites(t, 100)
		e.checkLoad(l, oursAlone(mix))
		e.startAll()
		e.expectConfig(ids...)
		e.compareTrees()
		e.zkCliReconfigures(leader)
	})
}

func (m *ensembleMember) hasMode(want string) error {
	mode, err := m.mode()
	if err == nil && mode != want {
		err = fmt.Errorf("%s is %s, not %s", m.Name(), mode, want)
	}
	return err
}

// mustReconfigure repeats a reconfig while another is going on, the new member is not synchronised yet, or the answer
// is lost and the effect does not show.
func (e *ensemble) mustReconfigure(through *ensembleMember, joining, leaving string) {
	e.t.Helper()
	must(e.t, poll(ensembleDeadline, func() error {
		code, err := reconfigure(through, joining, leaving, -1)
		if code == 0 && err == nil {
			return nil
		}
		err = fmt.Errorf("reconfig +%q -%q through %s: err %d, %w", joining, leaving, through.Name(), code, err)
		text, err2 := e.awaitLeader().shownConfig()
		if err2 == nil && strings.Contains(text, joining) && (leaving == "" || !strings.Contains(text, "server."+leaving+"=")) {
			return nil
		}
		return err
	}))
}

// forgetMembership goes back to the first configuration; a removed server does not start on the last it saw.
func (m *ensembleMember) forgetMembership() error {
	files, err := filepath.Glob(m.config() + ".dynamic*")
	for _, name := range files {
		err = errors.Join(err, os.Remove(name))
	}
	return errors.Join(err, m.writeConfig())
}

// zkCliReconfigures brings the removed server back with Java's own tool.
func (e *ensemble) zkCliReconfigures(m *ensembleMember) {
	e.t.Helper()
	if _, err := exec.LookPath(zkCliScript); err != nil {
		e.t.Logf("%s is not there", zkCliScript)
		return
	}
	must(e.t, m.forgetMembership())
	must(e.t, m.Start())
	cmd := exec.Command(zkCliScript, "-timeout", "30000", "-server", strings.Join(e.addrs(), ","))
	cmd.Stdin = strings.NewReader("addauth digest " + superPassword + "\nreconfig -add " + e.joinLine(m) + "\nquit\n")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr, cmd.WaitDelay = &out, &out, dieWithParent(), time.Second
	timer := time.AfterFunc(ensembleDeadline, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	_ = cmd.Run() // its exit code is that of the last command
	if !strings.Contains(out.String(), "Committed new configuration") {
		e.t.Errorf("zkCli.sh reconfig -add %s: %s", e.joinLine(m), out.String())
	}
	m.spare = false
	e.expectConfig(1, 2, 3, 4)
	e.awaitAll()
	e.compareTrees()
}
