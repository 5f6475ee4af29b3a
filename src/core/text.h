/* Words put together in a buffer. */
#ifndef RHM_CORE_TEXT_H
#define RHM_CORE_TEXT_H

#include <stddef.h>

/* Append to the string in `text`, of text_nbytes with the NUL; what does not fit is cut off. */
void rhm_text_append(char *text, size_t text_nbytes, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
