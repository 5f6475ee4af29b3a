#include "core/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void rhm_text_append(char *text, size_t text_nbytes, const char *format, ...) {
    const size_t used = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, text_nbytes - used, format, arguments);
    va_end(arguments);
}
