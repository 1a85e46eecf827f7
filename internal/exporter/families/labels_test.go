package families_test

import (
	"maps"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/exporter/families"
)

func TestTagsBecomeLabels(t *testing.T) {
	tests := []struct {
		name string
		tags []string
		want map[string]string // beside source and target
	}{
		{"none", nil, nil},
		{"key and value", []string{"isp:local"}, map[string]string{"isp": "local"}},
		{"the first colon counts", []string{"path:a:b"}, map[string]string{"path": "a:b"}},
		{"no colon", []string{"backup", "ipv6"}, map[string]string{"backup": "true", "ipv6": "true"}},
		{"no value is no label", []string{"isp:"}, nil},
		{"other characters", []string{"my-isp.cz:x", "město:Plzeň", "a b"},
			map[string]string{"my_isp_cz": "x", "m_sto": "Plzeň", "a_b": "true"}},
		{"a digit first", []string{"4g:yes"}, map[string]string{"_4g": "yes"}},
		{"no key", []string{":x"}, map[string]string{"_": "x"}},
		{"capitals differ", []string{"ISP:a", "isp:b"}, map[string]string{"ISP": "a", "isp": "b"}},
		{"no UTF-8", []string{"isp:a\xffb"}, map[string]string{"isp": "a\ufffdb"}},
		// These only from other hosts.
		{"the same name twice", []string{"isp:b", "isp:a"}, map[string]string{"isp": "b,a"}},
		{"the same name after all", []string{"a-b:1", "a.b:2"}, map[string]string{"a_b": "1,2"}},
		{"reserved names", []string{"source:x", "target:y", "le:1", "quantile:2", "__name__:n", "instance:i"},
			map[string]string{"tag_source": "x", "tag_target": "y", "tag_le": "1", "tag_quantile": "2",
				"tag___name__": "n", "tag_instance": "i"}},
		{"a reserved name whose other name is taken", []string{"tag_source:x", "source:y"}, map[string]string{"tag_source": "x,y"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := families.Labels(append([]string{"source:a", "target:b:c"}, tt.tags...), []string{"instance"})
			want := map[string]string{"source": "a", "target": "b:c"}
			maps.Copy(want, tt.want)
			if !maps.Equal(got, want) {
				t.Errorf("Labels(%q) = %v, want %v", tt.tags, got, want)
			}
		})
	}
}

func TestTagsThatCollideAreRefused(t *testing.T) {
	tests := []struct {
		name string
		tags []string
		want string
	}{
		{"none", nil, ""},
		{"different ones", []string{"isp:local", "backup", "Isp:b"}, ""},
		{"the same key", []string{"isp:a", "x:y", "isp:b"}, `tags "isp:a" and "isp:b" would both be the label isp`},
		{"the same tag", []string{"isp:a", "isp:a"}, `tags "isp:a" and "isp:a" would both be the label isp`},
		{"keys that become the same", []string{"a-b:1", "a.b"}, `tags "a-b:1" and "a.b" would both be the label a_b`},
		{"source", []string{"source:x"}, `tag "source:x" would be the label source, which is reserved`},
		{"target", []string{"target"}, `tag "target" would be the label target, which is reserved`},
		{"the bound of a bucket", []string{"le:1"}, `tag "le:1" would be the label le, which is reserved`},
		{"two underscores", []string{"--x"}, `tag "--x" would be the label __x, which is reserved`},
		{"the backend's own", []string{"instance:i"}, `tag "instance:i" would be the label instance, which is reserved`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := families.Check(tt.tags, "instance")
			if got := errorText(err); got != tt.want {
				t.Errorf("Check(%q) = %q, want %q", tt.tags, got, tt.want)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
