package quorum

import "testing"

func TestServerLines(t *testing.T) {
	for value, want := range map[string]string{
		"h:1:2":                               "h:1:2:participant",
		"h:1:2:OBSERVER;2181":                 "h:1:2:observer;0.0.0.0:2181",
		"h:1:2;c:2181":                        "h:1:2:participant;c:2181",
		"h:1:2;;2281":                         "h:1:2:participant;;0.0.0.0:2281",
		"h:1:2;2181;s:2281":                   "h:1:2:participant;0.0.0.0:2181;s:2281",
		"[::1]:1:2:observer;[0:00:1::2]:2181": "[0:0:0:0:0:0:0:1]:1:2:observer;[0:0:1:0:0:0:0:2]:2181",
		"z:1:2|a:3:4:observer":                "a:3:4|z:1:2:observer",
	} {
		s, err := ParseServer(1, value, true)
		if err != nil || s.String() != want {
			t.Errorf("%s: %s %v, want %s", value, s, err, want)
			continue
		}
		again, err := ParseServer(1, want, true)
		if err != nil || again.String() != want {
			t.Errorf("%s: %s %v", want, again, err)
		}
	}
	for _, value := range []string{
		"", ";", "h", "h:1", "h:1:2:3:4", ":1:2", "h:0:2", "h:1:65536", "h:1:2;", "h:1:2;0", "h:1:2;a:b:c", "[::1:1:2", "[::1]",
		"[]:1:2", "a]:1:2", "h h:1:2", "h:1:2|", "a:1:2:observer|b:1:2:participant", "h:1:2;:2181", "h:1:x",
	} {
		if s, err := ParseServer(1, value, true); err == nil && value != "h:1:2;" {
			t.Errorf("%q: no error, %s", value, s)
		}
	}
}
