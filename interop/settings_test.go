package interop

import (
	"fmt"
	"testing"
	"time"
)

// Settings that change what clients are answered.

// compareSteps lets one session do the steps on both servers.
func compareSteps(t *testing.T, name string, o serverOptions, steps []step) {
	t.Helper()
	compareScenarioOn(t, name, o, func(t *testing.T, r *recorder) error {
		p := &protocolScenario{r: r, mask: newMasker()}
		c, err := p.open()
		if err != nil {
			return err
		}
		defer c.Close()
		p.all(c, steps)
		return nil
	})
}

func quotaOf(path, limits string) []byte {
	q := "/zookeeper/quota" + path
	return multiBody(
		subOp{opCreate, createBody(q, nil, openACL, 0)},
		subOp{opCreate, createBody(q+"/zookeeper_limits", []byte(limits), openACL, 0)},
		subOp{opCreate, createBody(q+"/zookeeper_stats", []byte("count=0,bytes=0"), openACL, 0)})
}

func TestEnforcedQuotas(t *testing.T) {
	limits := func(path string) step {
		return step{"limits and usage of " + path, opMultiRead, multiBody(
			subOp{opGetData, pathWatch("/zookeeper/quota"+path+"/zookeeper_limits", false)},
			subOp{opGetData, pathWatch("/zookeeper/quota"+path+"/zookeeper_stats", false)})}
	}
	change := func(path, text string) step {
		return step{"change " + text, opSetData, setBody("/zookeeper/quota"+path+"/zookeeper_limits", []byte(text), -1)}
	}
	data := func(n int) []byte { return make([]byte, n) }
	compareSteps(t, "enforced quotas", serverOptions{tickMS: 3000, extra: map[string]string{"enforceQuota": "true"}}, []step{
		{"h", opCreate, createBody("/h", data(4), openACL, 0)},
		{"quota of h", opMulti, quotaOf("/h", "count=-1,bytes=-1=;byteHardLimit=20;countHardLimit=3")},
		limits("/h"),
		{"second", opCreate, createBody("/h/b", data(8), openACL, 0)},
		{"third", opCreate2, createBody("/h/c", nil, openACL, 1)},
		{"fourth", opCreate, createBody("/h/d", nil, openACL, 0)},
		{"fourth by container", opCreateContainer, createBody("/h/d", nil, openACL, 4)},
		{"fourth by TTL", opCreateTTL, createTTLBody("/h/d", nil, openACL, 5, 10_000_000)},
		{"fourth by sequence", opCreate, createBody("/h/d-", nil, openACL, 2)},
		{"exists before quota", opCreate, createBody("/h/c", nil, openACL, 0)},
		{"ephemeral parent before quota", opCreate, createBody("/h/c/x", nil, openACL, 0)},
		{"grow to the limit", opSetData, setBody("/h/b", data(16), -1)},
		{"grow beyond", opSetData, setBody("/h/b", data(17), -1)},
		{"grow beyond with a wrong version", opSetData, setBody("/h/b", data(17), 99)},
		{"wrong version", opSetData, setBody("/h/b", data(1), 99)},
		{"same size at the limit", opSetData, setBody("/h/b", data(16), -1)},
		change("/h", "count=-1,bytes=-1=;byteHardLimit=5;countHardLimit=3"),
		{"shrink, still above", opSetData, setBody("/h/b", data(10), -1)},
		{"same size above", opSetData, setBody("/h/b", data(16), -1)},
		{"shrink below", opSetData, setBody("/h/b", data(1), -1)},
		limits("/h"),
		{"multi over the limit", opMulti, multiBody(
			subOp{opDelete, pathVersion("/h/c", -1)}, subOp{opCreate, createBody("/h/d", nil, openACL, 0)})},
		{"delete", opDelete, pathVersion("/h/c", -1)},
		{"multi that overshoots together", opMulti, multiBody(
			subOp{opCreate, createBody("/h/m1", nil, openACL, 0)}, subOp{opCreate, createBody("/h/m2", nil, openACL, 0)})},
		limits("/h"),
		{"one more", opCreate, createBody("/h/m3", nil, openACL, 0)},
		{"soft only", opMulti, multiBody(subOp{opCreate, createBody("/s", nil, openACL, 0)})},
		{"quota of s", opMulti, quotaOf("/s", "count=1,bytes=1")},
		{"soft is no bar", opCreate, createBody("/s/a", data(10), openACL, 0)},
		change("/s", "count=1,bytes=1=;countHardLimit=0;byteHardLimit=-1"),
		{"zero is a bar", opCreate, createBody("/s/b", nil, openACL, 0)},
		change("/s", "count=1"),
		change("/s", ""),
		{"nothing is no bar", opCreate, createBody("/s/c", nil, openACL, 0)},
		limits("/s"),
		{"quota of the root", opMulti, quotaOf("/none/deep", "count=1,bytes=1")},
		{"quota of what is not there", opMulti, quotaOf("/none", "count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=1")},
		{"it comes to be", opCreate, createBody("/none", data(3), openACL, 0)},
		{"a child of it", opCreate, createBody("/none/x", nil, openACL, 0)},
		limits("/none"),
	})
}

func TestSettingsThatChangeAnswers(t *testing.T) {
	secret := []rawACL{{31, "digest", superDigest}}
	compareSteps(t, "skipACL", serverOptions{tickMS: 3000, extra: map[string]string{"skipACL": "yes"}}, []step{
		{"secret", opCreate, createBody("/secret", []byte("x"), secret, 0)},
		{"read", opGetData, pathWatch("/secret", true)}, {"ACL", opGetACL, packer{}.str("/secret")},
		{"write", opSetData, setBody("/secret", nil, -1)}, {"set ACL", opSetACL, packer{}.str("/secret").acls(openACL).i32(-1)},
		{"invalid ACLs stay so", opSetACL, packer{}.str("/secret").acls([]rawACL{{31, "auth", ""}}).i32(-1)},
		{"config", opSetData, setBody("/zookeeper/config", []byte("x"), -1)},
	})
	compareSteps(t, "no extended types", serverOptions{tickMS: 3000, extra: map[string]string{"extendedTypesEnabled": "false"}}, []step{
		{"TTL", opCreateTTL, createTTLBody("/t", nil, openACL, 5, 1000)},
		{"bad TTL", opCreateTTL, createTTLBody("/t", nil, openACL, 6, 0)},
		{"TTL of a bad path", opCreateTTL, createTTLBody("", nil, openACL, 6, 0)},
		{"create with a TTL flag", opCreate, createBody("/t", nil, openACL, 5)},
		{"container", opCreateContainer, createBody("/c", nil, openACL, 4)},
	})
	members := func(joining, leaving, members packer, config int64) []byte {
		return append(append(append(packer{}, joining...), leaving...), members.i64(config)...)
	}
	compareSteps(t, "reconfig", serverOptions{tickMS: 3000, extra: map[string]string{"reconfigEnabled": "true"}}, []step{
		{"config node", opGetData, pathWatch("/zookeeper/config", false)}, {"its ACL", opGetACL, packer{}.str("/zookeeper/config")},
		{"reconfig", opReconfig, members(packer{}.str("server.1=127.0.0.1:1:2;3"), null, null, -1)},
		{"reconfig with an old version", opReconfig, members(null, packer{}.str("1"), null, 7)},
		{"reconfig cut short", opReconfig, null},
		{"super", opAuth, authBody("digest", superPassword)},
		{"reconfig of super", opReconfig, members(null, null, packer{}.str("server.1=127.0.0.1:1:2;3"), -1)},
	})
}

// TestExpiry measures when sessions end whose clients fell silent: not before the timeout negotiated last, and not much
// after it.
func TestExpiry(t *testing.T) {
	const tickMS, slackMS = 200, 700
	for _, m := range []implementation{javaMake, underTest()} {
		t.Run(string(m), func(t *testing.T) {
			s := startServer(t, m, serverOptions{tickMS: tickMS, extra: map[string]string{"minSessionTimeout": "200", "maxSessionTimeout": "5000"}})
			watcher, err := dialRaw(s.Addr(), 0, nil, 5000, 0)
			must(t, err)
			defer watcher.Close()
			for i, timeouts := range [][2]int32{{600, 0}, {5000, 800}, {400, 1200}} {
				c, err := dialRaw(s.Addr(), 0, nil, timeouts[0], 0)
				must(t, err)
				path := fmt.Sprintf("/e%d", i)
				_, err = c.call(opCreate, createBody(path, nil, openACL, 1))
				must(t, err)
				timeout := timeouts[0]
				if timeouts[1] != 0 {
					timeout = timeouts[1]
					c.Close()
					c, err = dialRaw(s.Addr(), c.session, c.passwd, timeout, 0)
					must(t, err)
				}
				silent := time.Now()
				c.Close()
				must(t, poll(10*time.Second, func() error {
					r, err := watcher.call(opExists, pathWatch(path, false))
					if err != nil {
						return errStop{err}
					}
					if r.err != errNoNode {
						return fmt.Errorf("%s is there", path)
					}
					return nil
				}))
				if after := time.Since(silent).Milliseconds(); after < int64(timeout)-20 || after > int64(timeout)+tickMS+slackMS {
					t.Errorf("a session with timeouts %v ended after %d ms", timeouts, after)
				}
				if _, err := dialRaw(s.Addr(), c.session, c.passwd, 1000, 0); err == nil {
					t.Error("it lives on")
				}
			}
		})
	}
}
