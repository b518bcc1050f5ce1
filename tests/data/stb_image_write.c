/* The writer of pictures, in a file of its own because it needs other compiler options. */
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb/stb_image_write.h>
