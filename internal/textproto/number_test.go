package textproto

import "testing"

func TestNumberOfQuotedMessage(t *testing.T) {
	tests := []struct {
		name    string
		quoted  string
		wantSeq int
		wantOK  bool
	}{
		{"a whole message", "7|a|1795375380625056238|[]|000", 7, true},
		{"cut right after the number", "100|", 100, true},
		{"cut within the number", "10", 0, false},
		{"nothing quoted", "", 0, false},
		{"a number out of range", "101|a", 0, false},
		{"another protocol", "\x00\x00\x00\x01|", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if seq, ok := Number([]byte(tt.quoted)); seq != tt.wantSeq || ok != tt.wantOK {
				t.Errorf("Number(%q) = %d, %v, want %d, %v", tt.quoted, seq, ok, tt.wantSeq, tt.wantOK)
			}
		})
	}
}
