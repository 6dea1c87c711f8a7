#include "unit.h"

int main(void)
{
	return sign_tests() + vector_tests();
}
