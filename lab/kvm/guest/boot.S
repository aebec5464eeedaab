// Where the VMM starts the processor: 32-bit protected mode, flat segments, no paging, interrupts off.

	.section .text.start, "ax"
	.globl _start
_start:
	mov	$stack_top, %esp
	call	main
1:	cli
	hlt
	jmp	1b

// One entry an interrupt. The processor has pushed EFLAGS, CS and EIP.
	.macro	entry name, handler
	.globl	\name
\name:
	pushal
	call	\handler
	popal
	jmp	return_from_interrupt
	.endm

	.text
	entry	device_entry, device_interrupt
	entry	echo_entry, echo_interrupt
	entry	message_entry, message_interrupt

// KVM emulates this mode where the host's processor lends it no virtualisation, and then knows no IRET. CS never changes
// here, so POPF and RET do the same: the three words become EFLAGS and EIP.
return_from_interrupt:
	push	%eax
	mov	12(%esp), %eax
	mov	%eax, 8(%esp)
	mov	4(%esp), %eax
	mov	%eax, 12(%esp)
	pop	%eax
	lea	4(%esp), %esp
	popf
	ret

	.section .note.GNU-stack, "", @progbits
