package sys

import (
	"errors"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// refuse has the kernel answer the two batch calls of this thread with errno, as old kernels and sandboxes
// do. There is no way back: the thread must end.
func refuse(errno unix.Errno) error {
	const loadNumber = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	const jumpEqual = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	const answer = unix.BPF_RET | unix.BPF_K
	filter := []unix.SockFilter{
		{Code: loadNumber},
		{Code: jumpEqual, K: unix.SYS_RECVMMSG, Jt: 2},
		{Code: jumpEqual, K: unix.SYS_SENDMMSG, Jt: 1},
		{Code: answer, K: unix.SECCOMP_RET_ALLOW},
		{Code: answer, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
}

func TestBatchesDoWithoutBatchCallsThatAreRefused(t *testing.T) {
	for _, errno := range []unix.Errno{unix.ENOSYS, unix.EPERM} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread() // and never unlock
			if err := refuse(errno); err != nil {
				t.Errorf("no filter for system calls on this host: %v", err)
				return
			}
			from, source := udpSocket(t)
			send, receive := NewSendBatch(2), NewRecvBatch(2, 5)
			if err := receive.Try(from); !errors.Is(err, errno) {
				t.Errorf("receive.Try = %v, want %v", err, errno)
			}
			if err := send.Try(from); !errors.Is(err, errno) {
				t.Errorf("send.Try = %v, want %v", err, errno)
			}
			send.Set(0, []byte("x"), source, Ancillary{})
			if n, errno := send.Send(from, 0, 1); n != 1 || errno != 0 {
				t.Errorf("Send = %d, %v, want 1, 0", n, errno)
			}
			if n, errno := receive.Recv(from, 2, 0); n != 1 || errno != 0 {
				t.Errorf("Recv = %d, %v, want 1, 0", n, errno)
			}
		}()
		<-done
	}
}

func TestBatchCallsAreThere(t *testing.T) {
	fd, _ := udpSocket(t)
	if err := errors.Join(NewRecvBatch(1, 5).Try(fd), NewSendBatch(1).Try(fd)); err != nil {
		t.Errorf("Try = %v, want both calls", err)
	}
}
