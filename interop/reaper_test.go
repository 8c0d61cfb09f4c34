package interop

import (
	"fmt"
	"testing"
	"time"
)

// lives are nodes and whether the server removes them by itself.
var lives = []struct {
	path string
	ends bool
	make []step
}{
	{"/used", true, []step{
		{"", opCreateContainer, createBody("/used", nil, openACL, 4)}, {"", opCreate, createBody("/used/c", nil, openACL, 0)},
		{"", opDelete, pathVersion("/used/c", -1)}}},
	{"/inner", true, []step{
		{"", opCreateContainer, createBody("/inner", nil, openACL, 4)}, {"", opCreateContainer, createBody("/inner/c", nil, openACL, 4)},
		{"", opCreate, createBody("/inner/c/x", nil, openACL, 0)}, {"", opDelete, pathVersion("/inner/c/x", -1)}}},
	{"/unused", false, []step{{"", opCreateContainer, createBody("/unused", nil, openACL, 4)}}},
	{"/full", false, []step{
		{"", opCreateContainer, createBody("/full", nil, openACL, 4)}, {"", opCreate, createBody("/full/c", nil, openACL, 0)}}},
	{"/short", true, []step{{"", opCreateTTL, createTTLBody("/short", []byte("x"), openACL, 5, 1)}}},
	{"/long", false, []step{{"", opCreateTTL, createTTLBody("/long", nil, openACL, 5, 3_600_000)}}},
	{"/parent", false, []step{
		{"", opCreateTTL, createTTLBody("/parent", nil, openACL, 5, 1)}, {"", opCreate, createBody("/parent/c", nil, openACL, 0)}}},
	{"/plain", false, []step{
		{"", opCreate, createBody("/plain", nil, openACL, 4)}, {"", opCreate, createBody("/plain/c", nil, openACL, 0)},
		{"", opDelete, pathVersion("/plain/c", -1)}}},
	{"/secret", true, []step{
		{"", opCreateTTL, createTTLBody("/secret", nil, []rawACL{{31, "digest", superDigest}}, 5, 1)}}},
}

// TestReaper lets both servers find out which containers and TTL nodes have served, and compares what the removals
// leave: events, the parent's Stat, the tree.
func TestReaper(t *testing.T) {
	compareScenarioOn(t, "reaper", serverOptions{tickMS: 3000, containerMS: 200}, func(t *testing.T, r *recorder) error {
		p := &protocolScenario{r: r, mask: newMasker()}
		c, err := p.open()
		if err != nil {
			return err
		}
		defer c.Close()
		watcher, err := p.open()
		if err != nil {
			return err
		}
		defer watcher.Close()
		for _, l := range lives {
			if l.ends {
				if _, err := watcher.call(opExists, pathWatch(l.path, true)); err != nil {
					return err
				}
			}
			for _, s := range l.make {
				if reply, err := c.call(s.op, s.body); err != nil || reply.err != 0 {
					return fmt.Errorf("%s: err %d, %w", l.path, reply.err, err)
				}
			}
		}
		err = poll(20*time.Second, func() error {
			for _, l := range lives {
				reply, err := c.call(opExists, pathWatch(l.path, false))
				if err != nil {
					return errStop{err}
				}
				if l.ends != (reply.err == errNoNode) {
					return fmt.Errorf("%s: err %d", l.path, reply.err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		r.emit("all that must go has gone", "")
		if reply, err := c.call(opGetChildren2, pathWatch("/", false)); err == nil {
			u := &unpacker{b: reply.body}
			names, stat := u.strs(), u.stat()
			r.emit("children that are left", fmt.Sprintf("%s cversion %d, of %d", sorted(names), stat.cversion, stat.numChildren))
		}
		if _, err := watcher.call(opPing, nil); err != nil {
			return err
		}
		seen := map[string]string{}
		for _, e := range watcher.takeEvents() {
			seen[e.path] += fmt.Sprintf("<%d>", e.kind)
		}
		r.emit("events", seen)
		return nil
	})
}
