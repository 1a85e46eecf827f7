package stamp

import "testing"

func TestLossSinceTellsTheDirections(t *testing.T) {
	const last = 1<<32 - 1
	tests := []struct {
		name              string
		earlier, later    Numbers
		forward, backward int64
		ok                bool
	}{
		{"nothing lost", Numbers{5, 3}, Numbers{6, 4}, 0, 0, true},
		{"two lost on the way out", Numbers{5, 3}, Numbers{8, 4}, 2, 0, true},
		{"two lost on the way back", Numbers{5, 3}, Numbers{8, 6}, 0, 2, true},
		{"both", Numbers{5, 3}, Numbers{10, 6}, 2, 2, true},
		{"sender wraps", Numbers{last, 3}, Numbers{1, 4}, 1, 0, true},
		{"reflector wraps", Numbers{5, last}, Numbers{7, 1}, 0, 1, true},
		{"request came twice, first answer lost", Numbers{5, 3}, Numbers{6, 5}, -1, 1, true},
		{"same reply again", Numbers{5, 3}, Numbers{5, 3}, 0, 0, false},
		{"second answer to one request", Numbers{5, 3}, Numbers{5, 4}, 0, 0, false},
		{"reordered", Numbers{6, 4}, Numbers{5, 3}, 0, 0, false},
		{"reflector restarted", Numbers{5, 1000}, Numbers{6, 0}, 0, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			forward, backward, ok := tt.later.LossSince(tt.earlier)
			if forward != tt.forward || backward != tt.backward || ok != tt.ok {
				t.Errorf("%v.LossSince(%v) = %d, %d, %v, want %d, %d, %v",
					tt.later, tt.earlier, forward, backward, ok, tt.forward, tt.backward, tt.ok)
			}
		})
	}
}

func TestNumbersAreThoseOfTheReply(t *testing.T) {
	p := ReflectorPacket{Seq: 3, SenderSeq: 5}
	if got, want := p.Numbers(), (Numbers{Sender: 5, Reflector: 3}); got != want {
		t.Errorf("Numbers() = %v, want %v", got, want)
	}
}
