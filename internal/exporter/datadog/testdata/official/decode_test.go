package official

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/DataDog/datadog-api-client-go/v2/api/datadogV2"
)

func TestRequestsDecode(t *testing.T) {
	files, err := filepath.Glob("../*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no requests: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var p datadogV2.MetricPayload
			if err := json.Unmarshal(text, &p); err != nil {
				t.Fatal(err)
			}
			checkKnown(t, p)
			again, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := parse(t, again), parse(t, text); !reflect.DeepEqual(got, want) {
				t.Errorf("the client would send:\n%s\nwant what we send:\n%s", again, text)
			}
		})
	}
}

// checkKnown fails for what the client has no field for, or another type, which it keeps beside.
func checkKnown(t *testing.T, p datadogV2.MetricPayload) {
	t.Helper()
	if p.UnparsedObject != nil || len(p.AdditionalProperties) > 0 || len(p.Series) == 0 {
		t.Fatalf("not a payload of series: %v, %v", p.UnparsedObject, p.AdditionalProperties)
	}
	for _, s := range p.Series {
		if s.UnparsedObject != nil || len(s.AdditionalProperties) > 0 || s.Type == nil || len(s.Points) == 0 {
			t.Errorf("not a series: %v, %v", s.UnparsedObject, s.AdditionalProperties)
			continue
		}
		switch *s.Type {
		case datadogV2.METRICINTAKETYPE_GAUGE:
			if s.GetUnit() != "millisecond" {
				t.Errorf("gauge %s in %q, want milliseconds", s.Metric, s.GetUnit())
			}
		case datadogV2.METRICINTAKETYPE_COUNT:
			if s.GetInterval() != 1 {
				t.Errorf("count %s of %d s, want of 1 s", s.Metric, s.GetInterval())
			}
		default:
			t.Errorf("%s has type %d", s.Metric, *s.Type)
		}
		for _, x := range s.Points {
			if x.UnparsedObject != nil || len(x.AdditionalProperties) > 0 || x.Timestamp == nil || x.Value == nil {
				t.Errorf("%s has a point that is none: %v, %v", s.Metric, x.UnparsedObject, x.AdditionalProperties)
			}
		}
	}
}

func parse(t *testing.T, text []byte) (value any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}
