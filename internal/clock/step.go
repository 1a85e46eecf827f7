package clock

import "time"

const (
	// stepFloor is the smallest step that is seen. Two readings of both clocks disagree by less than
	// a microsecond unless the thread was preempted between them.
	stepFloor = 500 * time.Microsecond
	// slewShare bounds how fast the wall clock may be steered without being set. chrony steers by up to
	// 83333 ppm unless told otherwise, and by 100000 ppm at most (chrony.conf(5), maxslewrate, as of
	// 4.8). Linux steers CLOCK_MONOTONIC along with it (clock_gettime(2)); not every system does. The
	// price is that a step of less than a tenth of the time since the last Check passes for steering.
	slewShare = 10 // 1/10 = 100000 ppm
)

// StepDetector notices when the wall clock was set instead of steered. Delays between timestamps
// from both sides of a step mean nothing. Not safe for concurrent use.
type StepDetector struct {
	read   func() (Wall, Mono)
	offset time.Duration // wall - mono at the last look
	at     Mono
	epoch  uint32
}

// NewStepDetector starts detecting now.
func NewStepDetector() *StepDetector { return newStepDetector(Now) }

func newStepDetector(read func() (Wall, Mono)) *StepDetector {
	d := &StepDetector{read: read}
	d.offset, d.at = d.look()
	return d
}

func (d *StepDetector) look() (time.Duration, Mono) {
	wall, mono := d.read()
	return time.Duration(int64(wall) - int64(mono)), mono
}

// Check compares the clocks and returns by how much the wall clock stepped since the last call; 0 if
// it did not. It costs one reading of both clocks and does not allocate.
func (d *StepDetector) Check() time.Duration {
	offset, at := d.look()
	if !d.stepped(offset, at) {
		d.offset, d.at = offset, at
		return 0
	}
	// A preemption between the two readings looks the same; it does not happen twice in a row.
	offset, at = d.look()
	if !d.stepped(offset, at) {
		return 0
	}
	step := offset - d.offset
	d.offset, d.at = offset, at
	d.epoch++
	return step
}

func (d *StepDetector) stepped(offset time.Duration, at Mono) bool {
	return (offset - d.offset).Abs() > stepFloor+at.Sub(d.at)/slewShare
}

// Epoch counts the steps seen. Wall readings of different epochs must not be subtracted.
func (d *StepDetector) Epoch() uint32 { return d.epoch }
