package admin

import (
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMonitorBeginsWithVersionAndState(t *testing.T) {
	w := allWords(verified())
	got := strings.Split(strings.TrimSuffix(ask(t, w, "mntr", nil), "\n"), "\n")
	want := []string{
		"zk_version\t" + javaVersion, "zk_server_state\tstandalone", "zk_avg_latency\t5.0", "zk_max_latency\t10",
		"zk_min_latency\t2", "zk_packets_received\t6", "zk_packets_sent\t5", "zk_num_alive_connections\t2",
		"zk_outstanding_requests\t0", "zk_uptime\t60000", "zk_znode_count\t7",
	}
	if !slices.Equal(got[:len(want)], want) {
		t.Errorf("mntr begins %q", got[:len(want)])
	}
	for _, line := range []string{
		"zk_connection_drop_probability\t0.0", "zk_last_client_response_size\t-1", "zk_cnt_updatelatency\t3",
		"zk_p999_updatelatency\t10", "zk_avg_readlatency\t0.0", "zk_op_count_total\t0",
	} {
		if !slices.Contains(got, line) {
			t.Errorf("%q is missing", line)
		}
	}
	keys := map[string]bool{}
	for _, line := range got {
		key, value, ok := strings.Cut(line, "\t")
		if !ok || keys[key] || !strings.HasPrefix(key, "zk_") || value == "" {
			t.Errorf("bad or repeated line %q", line)
		}
		keys[key] = true
	}
	if again := strings.Split(strings.TrimSuffix(ask(t, w, "mntr", nil), "\n"), "\n"); len(again) != len(got) {
		t.Error("two answers differ in length")
	}
}

func TestQuotaGaugesSumPerNamespace(t *testing.T) {
	src := verified()
	src.quotas = []Quota{
		{Path: "/b/x", CountLimit: 10, CountHard: -1, BytesLimit: -1, BytesHard: -1, Count: 3, Bytes: 30},
		{Path: "/a", CountLimit: 10, CountHard: 20, BytesLimit: 7, BytesHard: -1, Count: 1, Bytes: 1},
		{Path: "/b/y", CountLimit: -1, CountHard: 5, BytesLimit: -1, BytesHard: -1, Count: 4, Bytes: 40},
		{Path: "/", CountLimit: 1, CountHard: 1, BytesLimit: 1, BytesHard: 1, Count: 1, Bytes: 1},
	}
	src.metrics.ReadPerNamespace.Observe("a", 70)
	src.metrics.QuotaExceededPerNamespace.Add("b", 2)
	got := ask(t, allWords(src), "mntr", nil)
	want := "zk_a_quota_count_limit_per_namespace\t20\nzk_b_quota_count_limit_per_namespace\t15\n" +
		"zk_a_quota_bytes_limit_per_namespace\t7\nzk_b_quota_bytes_limit_per_namespace\t-2\n" +
		"zk_a_quota_count_usage_per_namespace\t1\nzk_b_quota_count_usage_per_namespace\t7\n" +
		"zk_a_quota_bytes_usage_per_namespace\t1\nzk_b_quota_bytes_usage_per_namespace\t70\n"
	if !strings.Contains(got, want) {
		t.Errorf("quotas are missing in %s", got)
	}
	for _, line := range []string{"zk_avg_a_read_per_namespace\t70.0\n", "zk_b_quota_exceeded_error_per_namespace\t2\n"} {
		if !strings.Contains(got, line) {
			t.Errorf("%q is missing", line)
		}
	}
}

func TestFilesAreCounted(t *testing.T) {
	open, ok := openFiles()
	most, ok2 := maxFiles()
	if !ok || !ok2 {
		t.Skip("this system does not tell")
	}
	if open < 3 || most < open {
		t.Errorf("%d of %d files open", open, most)
	}
}

func TestBuildLooksLikeARelease(t *testing.T) {
	b := buildOf([]debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"}, {Key: "vcs.time", Value: "2026-11-22T18:05:59+01:00"},
	})
	if got, want := b.String(), Release+"-quokka-0123456789ab, built on 2026-11-22 17:05 UTC"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := (Build{Time: time.Unix(0, 0)}).String(), Release+"-quokka, built on 1970-01-01 00:00 UTC"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	running := ReadBuild()
	if running.Time.IsZero() {
		t.Error("the time of the running program is not known")
	}
	// What scrapers look for: telegraf, Datadog, zookeeper_exporter, kazoo.
	for _, pattern := range []string{`^[\w.-]+, built on `, `^(\d+\.\d+\.\d+)`, `built on \d{4}-\d\d-\d\d \d\d:\d\d UTC$`} {
		if !regexp.MustCompile(pattern).MatchString(running.String()) {
			t.Errorf("%q does not match %s", running, pattern)
		}
	}
}
